"""Read whole volumes from MRC files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mrcfile.utils import mode_from_dtype
from numpy.typing import NDArray

from subtomo.doing import doing_to_file
from subtomo.errors import InputError
from subtomo.io.guarded import copied, read_into
from subtomo.io.image_names import without_format
from subtomo.io.mrc import map_sections, native_section
from subtomo.io.mrc_header import MrcHeader, read_header
from subtomo.io.oddities import warn_of

_BYTES_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class SummedVolume:
    """One volume file, or several of equal size whose sum is meant (half tomograms)."""

    paths: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along z, y, x; raises InputError if the header of the first file cannot be read."""
        header = read_header(self.paths[0])
        return header.nz, header.ny, header.nx

    def read(self) -> NDArray[np.float32]:
        """Read the files and add them up."""
        first, *others = (read_volume(path)[0] for path in self.paths)
        for path, other in zip(self.paths[1:], others, strict=True):
            if other.shape != first.shape:
                raise InputError(f"{path}: is {other.shape} voxels (z, y, x), but {self.paths[0]} is {first.shape}")
            first = first + other
        return first


@doing_to_file("reading")
def read_volume(path: str | Path) -> tuple[NDArray[np.float32], float]:
    """Read a volume (nz, ny, nx) as float32, with the pixel size along x that its header gives.

    Args:
        path: The file; a format behind a colon, as in ``half1.map:mrc``, is left aside.

    Raises:
        InputError: The file is missing, truncated or no MRC file.
    """
    header = open_volume(path)
    return read_sections(header, header.nz), header.pixel_size_angstrom


@doing_to_file("reading")
def open_volume(path: str | Path) -> MrcHeader:
    """Read the header of a volume, for `read_sections`; arguments and errors as of `read_volume`."""
    header = read_header(without_format(str(path))[0])
    warn_of([header])
    return header


def read_sections(header: MrcHeader, count: int) -> NDArray[np.float32]:
    """Read the first sections of a volume, (count, ny, nx), as float32.

    Raises:
        InputError: They do not fit into memory, or the file became shorter since its header was read.
    """
    try:
        values = np.empty((count, header.ny, header.nx), np.float32)
        if np.dtype(f"{header.byte_order}f4") == values.dtype and header.mode == mode_from_dtype(values.dtype):
            read_into(header.path, header.data_offset, values)
            return values
        sections = map_sections(header)
        step = max(1, _BYTES_AT_ONCE // max(1, header.section_bytes))
        for z in range(0, count, step):
            rows = sections[z : min(count, z + step)].reshape(-1, sections.shape[2])
            stored = copied(rows, header.path, header.data_offset + z * header.section_bytes)
            values[z : z + step] = native_section(stored, header).reshape(-1, header.ny, header.nx)
    except MemoryError as error:
        raise InputError(
            f"{header.path}: {header.nx} x {header.ny} x {count} voxels do not fit into memory; bin the volume"
        ) from error
    return values
