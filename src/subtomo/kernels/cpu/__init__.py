"""The fast backend: numba loops that release the GIL around single-threaded FFTs."""

from subtomo.kernels.cache import compiled_here

with compiled_here():
    from subtomo.kernels.cpu.backend import CpuBackend
    from subtomo.kernels.cpu.statistics import range_and_sums

__all__ = ["CpuBackend", "range_and_sums"]
