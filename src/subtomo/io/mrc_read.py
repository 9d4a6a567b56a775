"""Read whole volumes from MRC files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
from numpy.typing import NDArray

from subtomo.errors import InputError
from subtomo.io.mrc import read_header


@dataclass(frozen=True)
class SummedVolume:
    """One volume file, or several of equal size whose sum is meant (half tomograms)."""

    paths: tuple[str, ...]

    def read(self) -> NDArray[np.float32]:
        """Read the files and add them up."""
        first, *others = (read_volume(path)[0] for path in self.paths)
        for path, other in zip(self.paths[1:], others, strict=True):
            if other.shape != first.shape:
                raise InputError(f"{path}: is {other.shape} voxels (z, y, x), but {self.paths[0]} is {first.shape}")
            first = first + other
        return first


def read_volume(path: str | Path) -> tuple[NDArray[np.float32], float]:
    """Read a volume (nz, ny, nx) as float32, with the pixel size along x that its header gives.

    Raises:
        InputError: The file is missing, truncated or no MRC file.
    """
    read_header(path)
    try:
        with mrcfile.open(path, permissive=True) as file:
            values: NDArray[Any] = np.atleast_3d(file.data)
            return values.astype(np.float32), float(file.voxel_size.x)
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: cannot be read as an MRC volume ({error}); write it again") from error
