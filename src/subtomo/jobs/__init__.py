"""One file per command: from the names of files to results."""
