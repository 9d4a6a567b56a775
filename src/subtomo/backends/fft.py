"""Fast Fourier transforms: ducc0 if it is installed, else scipy.

All are orthonormal (divided by the root of the number of points) and single-threaded: threads run over particles.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

if find_spec("ducc0") is not None:
    from ducc0.fft import c2c, c2r, r2c

    NAME = "ducc0"

    def real_to_half(images: Array, out: Array, axes: tuple[int, ...]) -> Array:
        """Transform real arrays to half transforms over ``axes``, into ``out``."""
        result: Array = r2c(images, axes=axes, inorm=1, out=out)
        return result

    def half_to_real(spectra: Array, out: Array, axes: tuple[int, ...]) -> Array:
        """Transform half transforms back to real arrays with an even last axis, into ``out``."""
        result: Array = c2r(spectra, axes=axes, lastsize=out.shape[axes[-1]], forward=False, inorm=1, out=out)
        return result

    def complex_to_complex(spectra: Array, out: Array, axis: int, *, forward: bool = True) -> Array:
        """Transform complex arrays over one axis, into ``out``."""
        result: Array = c2c(spectra, axes=(axis,), forward=forward, inorm=1, out=out)
        return result

else:
    from scipy import fft as _fft

    NAME = "scipy"

    def real_to_half(images: Array, out: Array, axes: tuple[int, ...]) -> Array:
        """Transform real arrays to half transforms over ``axes``, into ``out``."""
        out[...] = _fft.rfftn(images, axes=axes, norm="ortho")
        return out

    def half_to_real(spectra: Array, out: Array, axes: tuple[int, ...]) -> Array:
        """Transform half transforms back to real arrays with an even last axis, into ``out``."""
        out[...] = _fft.irfftn(spectra, s=[out.shape[axis] for axis in axes], axes=axes, norm="ortho")
        return out

    def complex_to_complex(spectra: Array, out: Array, axis: int, *, forward: bool = True) -> Array:
        """Transform complex arrays over one axis, into ``out``."""
        transform = _fft.fft if forward else _fft.ifft
        out[...] = transform(spectra, axis=axis, norm="ortho")
        return out
