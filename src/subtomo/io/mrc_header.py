"""Read the header of an MRC file and check that the file holds what the header says."""

from __future__ import annotations

import math
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE
from mrcfile.utils import dtype_from_mode

from subtomo.errors import InputError, InputWarning
from subtomo.io.files import require_regular, without_format

HEADER_BYTES = HEADER_DTYPE.itemsize
MODE_4_BIT = 101
MODES = {
    0: "signed 8 bit",
    1: "signed 16 bit",
    2: "float32",
    6: "unsigned 16 bit",
    12: "float16",
    MODE_4_BIT: "4 bit, two pixels per byte",
}
# A side below 2^16 has its bytes in the low half of the 32-bit number. Read in the wrong byte order they land in the
# high half, so that at most one byte order is plausible, also for old files without a valid machine stamp.
LARGEST_SIDE = 2**16 - 1
LARGEST_MODE = 1000
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(frozen=True)
class MrcHeader:
    """What the header of an MRC file says about where its pixels are: sizes, pixel type and byte order."""

    nx: int
    ny: int
    nz: int
    mode: int
    byte_order: str  # "<" or ">"
    data_offset: int  # bytes before the first section
    path: str
    pixel_size_angstrom: float = 0.0
    """Along x; 0 if the header gives none that makes sense."""

    @property
    def section_bytes(self) -> int:
        """Return the size of one section in bytes; a row of 4-bit pixels fills whole bytes."""
        if self.mode == MODE_4_BIT:
            return self.ny * ((self.nx + 1) // 2)
        return self.ny * self.nx * int(dtype_from_mode(self.mode).itemsize)


def read_header(path: str | os.PathLike[str]) -> MrcHeader:
    """Read and check the header of an MRC file, in either byte order, with or without the `MAP ` stamp.

    Raises:
        InputError: If the file is missing, unreadable, not MRC, of an unsupported mode, or shorter than it says.
    """
    path, _ = without_format(os.fspath(path))
    raw, file_bytes = _read_start(Path(path))
    if raw.startswith(TIFF_STARTS):
        raise InputError(f"{path}: is a TIFF file, expected MRC; convert it, for instance with tif2mrc of IMOD.")
    if len(raw) < HEADER_BYTES:
        raise InputError(
            f"{path}: has {len(raw)} bytes, expected an MRC file with a header of {HEADER_BYTES} bytes; "
            "it is empty, damaged or not an MRC file. Copy or make it again."
        )
    byte_order, fields = _interpret(raw, path)
    mode, extended_bytes = int(fields["mode"]), int(fields["nsymbt"])
    if mode not in MODES:
        known = ", ".join(f"{number} ({text})" for number, text in MODES.items())
        raise InputError(f"{path}: has MRC mode {mode}, expected one of {known}; convert it to one of these.")
    nx, ny, nz = (int(fields[axis]) for axis in ("nx", "ny", "nz"))
    header = MrcHeader(nx, ny, nz, mode, byte_order, HEADER_BYTES + extended_bytes, str(path), _pixel_size(fields))
    expected_bytes = header.data_offset + header.nz * header.section_bytes
    if file_bytes < expected_bytes:
        raise InputError(
            f"{path}: has {file_bytes} bytes, expected {expected_bytes} bytes for {header.nx} x {header.ny} x "
            f"{header.nz} pixels of mode {mode} ({MODES[mode]}); the file is truncated. Copy or make it again."
        )
    if file_bytes > expected_bytes:
        _judge_surplus(header, file_bytes, expected_bytes)
    return header


def _judge_surplus(header: MrcHeader, file_bytes: int, expected_bytes: int) -> None:
    """Refuse a file that holds its pixels several times over, and warn of any other that is longer than it says."""
    content, said = file_bytes - header.data_offset, header.nz * header.section_bytes
    sizes = (
        f"{header.path}: has {file_bytes} bytes, but its header says {header.nx} x {header.ny} x {header.nz} pixels of "
        f"mode {header.mode} ({MODES[header.mode]}), which are {expected_bytes}"
    )
    if content % said == 0:
        raise InputError(
            f"{sizes}: it holds {content // said} times as much, so mode or size in the header are wrong; correct it, "
            "or write the file again"
        )
    warnings.warn(f"{sizes}; the rest is not read. Is the header right?", InputWarning, stacklevel=4)


def _pixel_size(fields: np.void) -> float:
    """Give the pixel size along x, Å; 0 if it is not above zero and finite."""
    length, pixels = float(fields["cella"]["x"]), int(fields["mx"])
    if not (pixels > 0 and 0 < length < math.inf):
        return 0.0
    return float(np.float32(length / pixels))


def _read_start(path: Path) -> tuple[bytes, int]:
    """Return the first bytes of a file, a header's worth of them, and the size of the file."""
    require_regular(path)
    try:
        with open(path, "rb") as handle:
            return handle.read(HEADER_BYTES), os.fstat(handle.fileno()).st_size
    except IsADirectoryError as error:
        raise InputError(f"{path}: is a folder, expected an MRC file; correct the name.") from error
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: str | os.PathLike[str], error: OSError) -> InputError:
    """Put into words why a file cannot be read."""
    return InputError(
        f"{path}: cannot be read ({error.strerror}), expected an MRC file; correct the name, or run in the folder "
        "that names in STAR files are relative to."
    )


def _interpret(raw: bytes, path: str | os.PathLike[str]) -> tuple[str, np.void]:
    """Return the byte order in which the header makes sense, and its fields."""
    for byte_order in "<>":
        fields = np.frombuffer(raw, HEADER_DTYPE.newbyteorder(byte_order), count=1)[0]
        sides_fit = all(1 <= fields[axis] <= LARGEST_SIDE for axis in ("nx", "ny"))
        if sides_fit and fields["nz"] >= 1 and 0 <= fields["mode"] <= LARGEST_MODE and fields["nsymbt"] >= 0:
            return byte_order, fields
    found = np.frombuffer(raw, "<i4", count=4).tolist()
    raise InputError(
        f"{path}: is not an MRC file; its first numbers (nx, ny, nz, mode) are {found}, "
        f"expected sides of 1 to {LARGEST_SIDE} pixels. Correct the name, or convert the file to MRC."
    )
