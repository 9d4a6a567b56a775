"""Read the header of an MRC file and check that the file holds what the header says."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE
from mrcfile.utils import dtype_from_mode

from subtomo.doing import doing_to_file
from subtomo.errors import InputError
from subtomo.io.oddities import Oddity
from subtomo.io.reading import open_file
from subtomo.io.recognise import recognised

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
IMOD_STAMP, IMOD_STAMP_AT, SIGNED_BYTES = 1146047817, 152, 1
"""IMOD's mark, where it stands, and the flag after it that says whether bytes have a sign."""
AXES = (1, 2, 3)
"""What mapc, mapr and maps say of images whose columns are x, rows y and sections z."""
_ADVICE = (
    "correct the name, or run in the folder that names in STAR files are relative to (project), by default the one "
    "where the command runs"
)


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
    oddities: tuple[Oddity, ...] = ()
    """What is probably not meant."""

    @property
    def section_bytes(self) -> int:
        """Return the size of one section in bytes; a row of 4-bit pixels fills whole bytes."""
        if self.mode == MODE_4_BIT:
            return self.ny * ((self.nx + 1) // 2)
        return self.ny * self.nx * int(dtype_from_mode(self.mode).itemsize)


@doing_to_file("reading")
def read_header(path: str | os.PathLike[str]) -> MrcHeader:
    """Read and check the header of an MRC file, in either byte order, with or without the `MAP ` stamp.

    Raises:
        InputError: If the file is missing, unreadable, not MRC, of an unsupported mode, or shorter than it says.
    """
    raw, file_bytes = _read_start(path)
    _refuse_other_formats(raw, path)
    byte_order, fields = _interpret(raw, path)
    mode, extended_bytes = int(fields["mode"]), int(fields["nsymbt"])
    if mode not in MODES:
        known = ", ".join(f"{number} ({text})" for number, text in MODES.items())
        raise InputError(f"{path}: has MRC mode {mode}, expected one of {known}; convert it to one of these.")
    nx, ny, nz = (int(fields[axis]) for axis in ("nx", "ny", "nz"))
    # programs that write single images leave nz empty
    offset = HEADER_BYTES + extended_bytes
    header = MrcHeader(nx, ny, max(1, nz), mode, byte_order, offset, str(path), _pixel_size(fields))
    odd = (*_check_size(header, file_bytes, extended_bytes), *_odd_axes(fields), *_odd_bytes(raw, header))
    return replace(header, oddities=odd)


def _refuse_other_formats(raw: bytes, path: str | os.PathLike[str]) -> None:
    """Raise InputError for what is certainly no MRC file."""
    if raw.startswith(TIFF_STARTS):
        raise InputError(
            f"{path}: is a TIFF file, expected MRC; RELION tells them apart by their names, so end its name in .tif"
        )
    kind = recognised(raw)
    if kind is not None and "compressed" in kind.words:
        raise InputError(f"{path}: {kind.words}, expected MRC; {kind.advice}, and correct its name in the STAR file")
    if len(raw) < HEADER_BYTES:
        raise InputError(
            f"{path}: has {len(raw)} bytes, expected an MRC file with a header of {HEADER_BYTES} bytes; "
            "it is empty, damaged or not an MRC file. Copy or make it again."
        )


def _check_size(header: MrcHeader, file_bytes: int, extended_bytes: int) -> Iterator[Oddity]:
    """Compare the size of the file with what its header says.

    Raises:
        InputError: It is shorter, or longer by what only a wrong header explains.
    """
    pixel_bytes = header.nz * header.section_bytes
    expected = header.data_offset + pixel_bytes
    shape = f"{header.nx} x {header.ny} x {header.nz} pixels of mode {header.mode} ({MODES[header.mode]})"
    if 0 < extended_bytes == expected - file_bytes:
        raise InputError(
            f"{header.path}: has {file_bytes} bytes, just enough for a header and {shape}, but the header says that "
            f"{extended_bytes} bytes of extended header stand between them; whatever cut them off left nsymbt (bytes "
            "93 to 96) as it was. Set it to 0 if the pixels are whole, or copy the file again."
        )
    if file_bytes < expected:
        raise InputError(
            f"{header.path}: has {file_bytes} bytes, expected {expected} bytes for {shape}; the file is truncated. "
            "Copy or make it again."
        )
    surplus = file_bytes - expected
    if surplus >= pixel_bytes and surplus % pixel_bytes == 0:
        raise InputError(
            f"{header.path}: has {file_bytes} bytes, but its header says {expected} bytes for {shape}: the pixels take "
            f"{surplus // pixel_bytes + 1} times as much room as it says, so that mode or size in the header are "
            "wrong; correct the header, or write the file again."
        )
    if surplus:
        yield Oddity(
            "file size",
            f"has {file_bytes} bytes, but its header says {expected} bytes for {shape}",
            "mode or size in the header seem to be wrong, which puts pixels into wrong places; compare them with the "
            "program that wrote the file, and write it again",
            is_error=True,
        )


def _odd_axes(fields: np.void) -> Iterator[Oddity]:
    """Find axes in another order; RELION does not look at them, so they are not obeyed."""
    axes = tuple(int(fields[axis]) for axis in ("mapc", "mapr", "maps"))
    if axes not in (AXES, (0, 0, 0)):
        yield Oddity(
            "axes",
            "its header says that columns, rows and sections (mapc, mapr, maps) are axes "
            f"{axes[0]}, {axes[1]}, {axes[2]}",
            "RELION takes them for 1, 2, 3 all the same, and so does subtomo; write the file again with its axes in "
            "this order, or set these words to 1, 2, 3 if they are wrong",
        )


def _odd_bytes(raw: bytes, header: MrcHeader) -> Iterator[Oddity]:
    """Find the unsigned bytes of IMOD, which the standard and RELION take for signed ones."""
    if header.mode != 0:
        return
    stamp, flags = np.frombuffer(raw, f"{header.byte_order}i4", count=2, offset=IMOD_STAMP_AT).tolist()
    if stamp == IMOD_STAMP and not flags & SIGNED_BYTES:
        converted = Path(header.path).with_suffix(".mrcs").name
        target = converted if converted != Path(header.path).name else f"signed_{converted}"
        yield Oddity(
            "unsigned bytes",
            f"holds bytes without a sign, as IMOD's stamp says (word {IMOD_STAMP} at byte {IMOD_STAMP_AT} with flags "
            f"{flags}), but RELION reads all bytes as signed, so that every pixel above 127 becomes negative",
            f"convert it with IMOD, newstack -mode 1 {Path(header.path).name} {target}, and name the new file",
            is_error=True,
        )


def _pixel_size(fields: np.void) -> float:
    """Give the pixel size along x, Å; 0 if it is not above zero and finite."""
    length, pixels = float(fields["cella"]["x"]), int(fields["mx"])
    if not (pixels > 0 and 0 < length < math.inf):
        return 0.0
    return float(np.float32(length / pixels))


def _read_start(path: str | os.PathLike[str]) -> tuple[bytes, int]:
    """Return the first bytes of a file, a header's worth of them, and the size of the file."""
    with open_file(path, "an MRC file", advice=_ADVICE) as stream:
        try:
            return stream.read(HEADER_BYTES), os.fstat(stream.fileno()).st_size
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}), expected an MRC file; {_ADVICE}") from None


def unreadable(path: str | os.PathLike[str], error: OSError) -> InputError:
    """Put into words why a file cannot be read."""
    return InputError(f"{path}: cannot be read ({error.strerror}), expected an MRC file; {_ADVICE}")


def _interpret(raw: bytes, path: str | os.PathLike[str]) -> tuple[str, np.void]:
    """Return the byte order in which the header makes sense, and its fields."""
    for byte_order in "<>":
        fields = np.frombuffer(raw, HEADER_DTYPE.newbyteorder(byte_order), count=1)[0]
        sides_fit = all(1 <= fields[axis] <= LARGEST_SIDE for axis in ("nx", "ny"))
        if sides_fit and fields["nz"] >= 0 and 0 <= fields["mode"] <= LARGEST_MODE and fields["nsymbt"] >= 0:
            return byte_order, fields
    kind = recognised(raw)
    if kind is not None and "MRC" not in kind.words:
        raise InputError(f"{path}: {kind.words}, expected an image; {kind.advice}")
    found = np.frombuffer(raw, "<i4", count=4).tolist()
    raise InputError(
        f"{path}: is not an MRC file; its first numbers (nx, ny, nz, mode) are {found}, "
        f"expected sides of 1 to {LARGEST_SIDE} pixels. Correct the name, or convert the file to MRC."
    )
