"""Where particles go: names, files, the record of what is finished, and the lock of a folder."""
