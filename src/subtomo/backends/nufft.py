"""Non-uniform Fourier transforms by finufft: for the reference backend, and of models that are sums of points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]

_ACCURACY = 1e-11
_FINE = 1e-5
"""For models in single precision, whose errors count against costs that differ by a thousandth."""


def volume_from_points(points: Float, values: Complex, size: int) -> Float:
    """Sum 2 Re(d exp(2πi k·r)) over values d at frequencies k for every voxel r of a volume.

    Args:
        points: (n, 3) frequencies x, y, z, cycles per voxel, within ±1/2.
        values: (n,) complex.
        size: Side of the volume, even.

    Returns:
        (size, size, size) with r = 0 at ``size // 2``.
    """
    from finufft import nufft3d1

    x, y, z = (np.ascontiguousarray(2.0 * np.pi * points[:, axis]) for axis in range(3))
    volume: Complex = nufft3d1(z, y, x, values.astype(np.complex128), (size,) * 3, eps=_ACCURACY, isign=1, nthreads=1)
    return 2.0 * volume.real


def values_at_points(volume: Float, points: Float) -> Complex:
    """Sum v exp(-2πi k·r) over the voxels r of a volume, for every frequency k: the adjoint of `volume_from_points`.

    Args:
        volume: (size, size, size) with r = 0 at ``size // 2``.
        points: (n, 3) frequencies x, y, z, cycles per voxel, within ±1/2.

    Returns:
        (n,)
    """
    from finufft import nufft3d2

    x, y, z = (np.ascontiguousarray(2.0 * np.pi * points[:, axis]) for axis in range(3))
    values: Complex = nufft3d2(z, y, x, volume.astype(np.complex128), eps=_ACCURACY, isign=-1, nthreads=1)
    return values


def image_transform(positions: Float, weights: Float, size: int) -> Complex:
    """Transform points in a plane: the sum of w exp(-2πi (x k_x + y k_y) / size).

    Args:
        positions: (n, 2) x and y, pixels from the origin.
        weights: (n,)
        size: Side of the image, even.

    Returns:
        (size, size // 2 + 1) half transform, origin at [0, 0].
    """
    from finufft import nufft2d1

    x, y = (_turns(positions[:, axis], size) for axis in range(2))
    # one mode more than the image has, for the column of the Nyquist frequency
    modes = nufft2d1(y, x, weights.astype(np.complex64), (size + 1,) * 2, eps=_FINE, isign=-1, nthreads=1)
    half: Complex = np.fft.ifftshift(modes[:size, size // 2 :], axes=0).astype(np.complex128)
    return half


def volume_transform(positions: Float, weights: Float, size: int) -> Complex:
    """Transform points in space, as `image_transform` does in a plane: (n, 3) to (size, size, size // 2 + 1)."""
    from finufft import nufft3d1

    x, y, z = (_turns(positions[:, axis], size) for axis in range(3))
    modes = nufft3d1(z, y, x, weights.astype(np.complex64), (size + 1,) * 3, eps=_FINE, isign=-1, nthreads=1)
    half: Complex = np.fft.ifftshift(modes[:size, :size, size // 2 :], axes=(0, 1)).astype(np.complex128)
    return half


def _turns(coordinate: Float, size: int) -> NDArray[np.float32]:
    return np.ascontiguousarray(2.0 * np.pi * coordinate / size, dtype=np.float32)
