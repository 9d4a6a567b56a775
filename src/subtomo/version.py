"""The version of the package, which is known also where it runs from a copy that nobody installed."""

__version__ = "0.1.0"
