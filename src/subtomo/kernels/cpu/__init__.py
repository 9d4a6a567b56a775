"""The fast backend: numba loops that release the GIL around single-threaded FFTs."""

from subtomo.kernels.cpu.backend import CpuBackend

__all__ = ["CpuBackend"]
