"""Read whole volumes from MRC files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import InputError
from subtomo.io.mrc import map_sections, native_section
from subtomo.io.mrc_header import read_header


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
    header = read_header(path)
    try:
        sections = map_sections(header)
        values = np.empty((header.nz, header.ny, header.nx), np.float32)
        for z, section in enumerate(sections):
            values[z] = native_section(section, header)
    except MemoryError as error:
        raise InputError(
            f"{path}: {header.nx} x {header.ny} x {header.nz} voxels do not fit into memory; bin the volume"
        ) from error
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: cannot be read as an MRC volume ({error}); write it again") from error
    return values, header.pixel_size_angstrom
