"""Write MRC files with the header that RELION writes, whole or not at all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from mrcfile.constants import IMAGE_STACK_SPACEGROUP, MAP_ID
from mrcfile.dtypes import HEADER_DTYPE
from mrcfile.utils import mode_from_dtype
from numpy.typing import NDArray

from subtomo.backends.registry import volume_backend
from subtomo.doing import doing_to_file
from subtomo.io.atomic import atomic_write
from subtomo.io.half import to_half

# A constant without a date, so that equal results are equal files.
LABEL = b"subtomo"
# RELION writes this variant of the little-endian stamp; the MRC standard allows it besides 68, 68, 0, 0.
MACHINE_STAMP = (68, 65, 0, 0)

PixelSize = float | tuple[float, float, float]


@dataclass(frozen=True)
class Statistics:
    """Minimum, maximum, mean and population standard deviation of a volume."""

    minimum: float
    maximum: float
    mean: float
    deviation: float


@doing_to_file("writing")
class Lost(NamedTuple):
    """Values that half precision cannot hold."""

    too_large: int = 0
    """Finite ones, stored as ±65504."""
    too_small: int = 0
    """Below 2^-14, stored as zero."""


def write_mrc(
    path: str | os.PathLike[str],
    *parts: NDArray[np.float32],
    pixel_size_angstrom: PixelSize,
    float16: bool = False,
) -> Lost:
    """Write a volume or a stack; the final name shows nothing until the file is complete.

    Source: spec/conventions.md §8.

    Args:
        path: Name of the file. Its folder must exist.
        parts: (nz, ny, nx) float32 each; x is the fastest axis, as in the file. Several follow one another along z.
        pixel_size_angstrom: One number, or one each for (x, y, z); 1/Angstrom for volumes in Fourier space.
        float16: Store two bytes per value (mode 12) in RELION's rounding. The statistics in the header stay those
            of the float32 values.

    Returns:
        How many values float16 could not hold; none of them in single precision.

    Raises:
        InputError: If the file cannot be created.
        OSError: If writing fails, for instance on a full disk.
        ValueError: If a part is not 3-D float32 or has no voxels, or parts differ in y or x.
    """
    for part in parts:
        if part.ndim != 3 or part.dtype != np.float32 or part.size == 0:
            raise ValueError(f"expected a 3-D float32 array with voxels, found {part.dtype} of shape {part.shape}")
        if part.shape[1:] != parts[0].shape[1:]:
            raise ValueError(f"parts differ in their sections: {parts[0].shape} and {part.shape}")
    stored: list[NDArray[Any]] = [np.ascontiguousarray(part, dtype="<f4") for part in parts]
    measured = statistics(*stored)
    lost = Lost()
    if float16:
        halves = [to_half(part) for part in stored]
        n_nonzero = sum(map(np.count_nonzero, stored))
        stored = [half.astype("<f2", copy=False) for half, _ in halves]
        lost = Lost(sum(count for _, count in halves), int(n_nonzero - sum(map(np.count_nonzero, stored))))
    shape = sum(part.shape[0] for part in stored), *stored[0].shape[1:]
    header = _header(shape, stored[0].dtype, pixel_size_angstrom, measured)
    with atomic_write(path) as handle:
        handle.write(header)
        for part in stored:
            handle.write(part.data)
    return lost


def statistics(*parts: NDArray[np.float32]) -> Statistics:
    """Measure C-contiguous arrays as if they were one, with sums in float64.

    Deviations are summed from the first value instead of zero: that keeps the digits of the standard deviation when
    the mean is far from zero, and makes it exactly zero for a constant.
    """
    first, measure = float(parts[0].flat[0]), volume_backend().range_and_sums
    measured = np.array([measure(part.reshape(-1), first) for part in parts])
    size = sum(part.size for part in parts)
    # Infinities give NaN sums, which is what the header should say.
    with np.errstate(invalid="ignore", over="ignore"):
        shifted_mean, squares = measured[:, 2:].sum(axis=0) / size
        deviation = np.sqrt(np.maximum(squares - shifted_mean**2, 0.0))
        low, high = measured[:, 0].min(), measured[:, 1].max()
        return Statistics(float(low), float(high), float(first + shifted_mean), float(deviation))


def _header(
    shape: tuple[int, ...], dtype: np.dtype[Any], pixel_size_angstrom: PixelSize, measured: Statistics
) -> bytes:
    """Return the 1024 bytes before the data; fields not set here are zero."""
    header = np.zeros((), HEADER_DTYPE.newbyteorder("<"))
    sizes = shape[::-1]  # x, y, z
    if not isinstance(pixel_size_angstrom, tuple):
        pixel_size_angstrom = (pixel_size_angstrom,) * 3
    for axis, size, pixel_size in zip("xyz", sizes, pixel_size_angstrom, strict=True):
        header["n" + axis] = header["m" + axis] = size
        # RELION keeps the pixel size as float32; a product in float64 would differ in the last bit.
        header["cella"][axis] = np.float32(size) * np.float32(pixel_size)
    header["mode"] = mode_from_dtype(dtype)
    header["cellb"] = (90.0, 90.0, 90.0)
    header["mapc"], header["mapr"], header["maps"] = 1, 2, 3
    header["ispg"] = IMAGE_STACK_SPACEGROUP
    header["map"], header["machst"] = MAP_ID, MACHINE_STAMP
    header["nlabl"], header["label"][0] = 1, LABEL
    with np.errstate(over="ignore"):
        header["dmin"], header["dmax"] = measured.minimum, measured.maximum
        header["dmean"], header["rms"] = measured.mean, measured.deviation
    return header.tobytes()
