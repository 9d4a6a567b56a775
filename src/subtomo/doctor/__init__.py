"""What is wrong with a project, found out before a long job: every problem with its place and the way out."""
