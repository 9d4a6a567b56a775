"""The fast backend: numba loops that release the GIL around single-threaded FFTs."""

from subtomo.backends.cache import compiled_here

with compiled_here():
    from subtomo.backends.cpu.backend import CpuBackend
    from subtomo.backends.cpu.statistics import range_and_sums

__all__ = ["CpuBackend", "range_and_sums"]
