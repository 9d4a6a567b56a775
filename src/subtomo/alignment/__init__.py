"""The cost of a pose, and the search for a better one."""
