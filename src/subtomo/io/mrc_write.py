"""Write MRC files with the header that RELION writes, whole or not at all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from mrcfile.constants import IMAGE_STACK_SPACEGROUP, MAP_ID
from mrcfile.dtypes import HEADER_DTYPE
from mrcfile.utils import mode_from_dtype
from numpy.typing import NDArray

from subtomo.io.atomic import atomic_write
from subtomo.io.half import to_half

# A constant without a date, so that equal results are equal files.
LABEL = b"subtomo"
# RELION writes this variant of the little-endian stamp; the MRC standard allows it besides 68, 68, 0, 0.
MACHINE_STAMP = (68, 65, 0, 0)
BLOCK = 1 << 15  # values per step of the statistics, so that their float64 copy stays in the cache

PixelSize = float | tuple[float, float, float]


@dataclass(frozen=True)
class Statistics:
    """Minimum, maximum, mean and population standard deviation of a volume."""

    minimum: float
    maximum: float
    mean: float
    deviation: float


def write_mrc(
    path: str | os.PathLike[str],
    array: NDArray[np.float32],
    *,
    pixel_size_angstrom: PixelSize,
    float16: bool = False,
) -> int:
    """Write a volume or a stack; the final name shows nothing until the file is complete.

    Source: relion-conventions.md, section 8.

    Args:
        path: Name of the file. Its folder must exist.
        array: (nz, ny, nx) float32; x is the fastest axis, as in the file.
        pixel_size_angstrom: One number, or one each for (x, y, z); 1/Angstrom for volumes in Fourier space.
        float16: Store two bytes per value (mode 12) in RELION's rounding. The statistics in the header stay those
            of the float32 values.

    Returns:
        How many finite values were too large for float16 and were stored as +-65504.

    Raises:
        InputError: If the file cannot be created.
        OSError: If writing fails, for instance on a full disk.
        ValueError: If the array is not 3-D float32 or has no voxels.
    """
    if array.ndim != 3 or array.dtype != np.float32 or array.size == 0:
        raise ValueError(f"expected a 3-D float32 array with voxels, found {array.dtype} of shape {array.shape}")
    values = np.ascontiguousarray(array, dtype="<f4")
    stored: NDArray[Any] = values
    overflowed = 0
    if float16:
        stored, overflowed = to_half(array)
        stored = stored.astype("<f2", copy=False)
    header = _header(stored, pixel_size_angstrom, statistics(values))
    with atomic_write(path) as handle:
        handle.write(header)
        handle.write(stored.data)
    return overflowed


def statistics(values: NDArray[np.float32]) -> Statistics:
    """Measure a C-contiguous array of any shape in one pass, with sums in float64.

    Deviations are summed from the first value instead of zero: that keeps the digits of the standard deviation when
    the mean is far from zero, and makes it exactly zero for a constant.
    """
    flat = values.reshape(-1)
    first = np.float64(flat[0])
    total = squares = 0.0
    # Infinities give NaN sums, which is what the header should say.
    with np.errstate(invalid="ignore", over="ignore"):
        for start in range(0, flat.size, BLOCK):
            block = flat[start : start + BLOCK].astype(np.float64)
            block -= first
            total += float(block.sum())
            np.square(block, out=block)
            squares += float(block.sum())
        shifted_mean = np.float64(total) / flat.size
        variance = np.float64(squares) / flat.size - shifted_mean**2
        deviation = np.sqrt(np.maximum(variance, 0.0))
        return Statistics(float(flat.min()), float(flat.max()), float(first + shifted_mean), float(deviation))


def _header(stored: NDArray[Any], pixel_size_angstrom: PixelSize, measured: Statistics) -> bytes:
    """Return the 1024 bytes before the data; fields not set here are zero."""
    header = np.zeros((), HEADER_DTYPE.newbyteorder("<"))
    sizes = stored.shape[::-1]  # x, y, z
    if not isinstance(pixel_size_angstrom, tuple):
        pixel_size_angstrom = (pixel_size_angstrom,) * 3
    for axis, size, pixel_size in zip("xyz", sizes, pixel_size_angstrom, strict=True):
        header["n" + axis] = header["m" + axis] = size
        # RELION keeps the pixel size as float32; a product in float64 would differ in the last bit.
        header["cella"][axis] = np.float32(size) * np.float32(pixel_size)
    header["mode"] = mode_from_dtype(stored.dtype)
    header["cellb"] = (90.0, 90.0, 90.0)
    header["mapc"], header["mapr"], header["maps"] = 1, 2, 3
    header["ispg"] = IMAGE_STACK_SPACEGROUP
    header["map"], header["machst"] = MAP_ID, MACHINE_STAMP
    header["nlabl"], header["label"][0] = 1, LABEL
    with np.errstate(over="ignore"):
        header["dmin"], header["dmax"] = measured.minimum, measured.maximum
        header["dmean"], header["rms"] = measured.mean, measured.deviation
    return header.tobytes()
