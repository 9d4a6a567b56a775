"""Pseudo-subtomograms for cryo-electron tomography, as RELION makes them, and on demand.

The public names, and the modules that they come from, are listed in ``__init__.pyi``. Each is imported when it is first
used, so that the help of the command answers at once.
"""

import sys
from types import ModuleType

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


class _Package(ModuleType):
    """Keeps the functions `doctor` and `report` under their names when the rooms of the same names are imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in __all__):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
