"""Fast Fourier transforms of any size: ducc0 if it is installed, else scipy.

All are orthonormal (divided by the root of the number of points) and single-threaded: threads run over particles. The
library is loaded for the first transform; most extractions need none, see `subtomo.backends.cpu.planes`.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from numpy.typing import NDArray

Array = NDArray[Any]

NAME = "ducc0" if find_spec("ducc0") is not None else "scipy"


def real_to_half(images: Array, out: Array, axes: tuple[int, ...]) -> Array:
    """Transform real arrays to half transforms over ``axes``, into ``out``."""
    return _library().real_to_half(images, out, axes)


def half_to_real(spectra: Array, out: Array, axes: tuple[int, ...]) -> Array:
    """Transform half transforms back to real arrays with an even last axis, into ``out``."""
    return _library().half_to_real(spectra, out, axes)


def complex_to_complex(spectra: Array, out: Array, axis: int, *, forward: bool = True) -> Array:
    """Transform complex arrays over one axis, into ``out``."""
    return _library().complex_to_complex(spectra, out, axis, forward=forward)


class _Library(Protocol):
    """What the functions above are done by."""

    def real_to_half(self, images: Array, out: Array, axes: tuple[int, ...]) -> Array: ...

    def half_to_real(self, spectra: Array, out: Array, axes: tuple[int, ...]) -> Array: ...

    def complex_to_complex(self, spectra: Array, out: Array, axis: int, *, forward: bool) -> Array: ...


class _Ducc:
    def __init__(self) -> None:
        self._fft: Any = import_module("ducc0.fft")

    def real_to_half(self, images: Array, out: Array, axes: tuple[int, ...]) -> Array:
        result: Array = self._fft.r2c(images, axes=axes, inorm=1, out=out)
        return result

    def half_to_real(self, spectra: Array, out: Array, axes: tuple[int, ...]) -> Array:
        size = out.shape[axes[-1]]
        result: Array = self._fft.c2r(spectra, axes=axes, lastsize=size, forward=False, inorm=1, out=out)
        return result

    def complex_to_complex(self, spectra: Array, out: Array, axis: int, *, forward: bool) -> Array:
        result: Array = self._fft.c2c(spectra, axes=(axis,), forward=forward, inorm=1, out=out)
        return result


class _Scipy:
    def __init__(self) -> None:
        self._fft: Any = import_module("scipy.fft")

    def real_to_half(self, images: Array, out: Array, axes: tuple[int, ...]) -> Array:
        out[...] = self._fft.rfftn(images, axes=axes, norm="ortho")
        return out

    def half_to_real(self, spectra: Array, out: Array, axes: tuple[int, ...]) -> Array:
        out[...] = self._fft.irfftn(spectra, s=[out.shape[axis] for axis in axes], axes=axes, norm="ortho")
        return out

    def complex_to_complex(self, spectra: Array, out: Array, axis: int, *, forward: bool) -> Array:
        transform = self._fft.fft if forward else self._fft.ifft
        out[...] = transform(spectra, axis=axis, norm="ortho")
        return out


@cache
def _library() -> _Library:
    return _Ducc() if NAME == "ducc0" else _Scipy()
