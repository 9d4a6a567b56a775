"""Pseudo-subtomograms for cryo-electron tomography, as RELION makes them, and on demand.

The public names, and the modules that they come from, are listed in ``__init__.pyi``. Each is imported when it is first
used, so that the help of the command answers at once.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
