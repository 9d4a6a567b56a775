"""The reference backend: slow, obvious NumPy in double precision, the oracle for every other backend."""

from subtomo.backends.reference.accumulators import Modulated
from subtomo.backends.reference.backend import ReferenceBackend

__all__ = ["Modulated", "ReferenceBackend"]
