"""The fast backend: numba loops that release the GIL around single-threaded FFTs."""

from subtomo.backends.cache import compiled_here

with compiled_here():
    from subtomo.backends.cpu.backend import CpuBackend

__all__ = ["CpuBackend"]
