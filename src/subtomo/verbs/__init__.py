"""The verbs of the command as functions: nouns or names of files in, an object that shows itself out."""
