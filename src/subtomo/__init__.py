"""Pseudo-subtomograms for cryo-electron tomography, as RELION makes them, and on demand.

The public names, and the modules that they come from, are listed in ``__init__.pyi``. Each is imported when it is first
used, so that the help of the command answers at once. The list itself is read then, too: until the command line has
taken over, nothing that takes time may stand between it and the user's interrupt.
"""

import sys

from subtomo.version import __version__ as __version__

_found = []


def _listed():
    """Give what looks names up, what lists them, and the names."""
    if not _found:
        import lazy_loader

        _found.extend(lazy_loader.attach_stub(__name__, __file__))
    return _found


def __getattr__(name):
    if name == "__all__":
        return _listed()[2]
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _listed()[0](name)


def __dir__():
    return _listed()[1]()


class _Package(type(sys)):
    """Keeps the functions `doctor` and `report` under their names when the rooms of the same names are imported."""

    def __setattr__(self, name, value):
        if not (isinstance(value, type(sys)) and name in ("doctor", "report")):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
