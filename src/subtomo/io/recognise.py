"""What a file is that was taken for another: told by its first bytes, with the way from there to here."""

from __future__ import annotations

import re
from dataclasses import dataclass

_START = 1 << 16
"""Bytes that are looked at."""
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_FEWEST_DYNAMO_COLUMNS = 20


@dataclass(frozen=True)
class Recognised:
    """A kind of file."""

    words: str
    """What it is, to follow the name of the file: ``is …``."""
    advice: str
    """What to do with it."""


_SIGNATURES = (
    (b"II*\0", "is a TIFF image", "tilt images are named in the tilt series tables"),
    (b"MM\0*", "is a TIFF image", "tilt images are named in the tilt series tables"),
    (b"\x1f\x8b", "is compressed (gzip)", "decompress it with gunzip"),
    (b"BZh", "is compressed (bzip2)", "decompress it with bunzip2"),
    (b"\xfd7zXZ\0", "is compressed (xz)", "decompress it with unxz"),
    (b"\x28\xb5\x2f\xfd", "is compressed (zstd)", "decompress it with unzstd"),
    (b"PK\x03\x04", "is a ZIP archive", "unpack it and give the file in it"),
    (b"\x89HDF\r\n\x1a\n", "is an HDF5 file", "export it as a STAR file"),
    (b"\x93NUMPY", "is a NumPy array", "export it as a STAR file"),
    (b"%PDF", "is a PDF document", "correct the name"),
    (b"\x89PNG", "is a PNG image", "correct the name"),
    (b"MATLAB 5.0", "is a MATLAB file", "export it as a STAR file"),
)

_TEXTS = (
    (r"\s*(?:<\?xml[^>]*>\s*)?<(?:TiltSeries|Movie|Data)\b", "is an XML file of Warp",
     "make a tomogram set of its folder with subtomo import warp"),
    (r"\s*<", "is an XML or HTML file", "correct the name"),
    (r"# *AreTomo", "is an alignment of AreTomo (.aln)", "make a tomogram set of it with subtomo import aretomo"),
    (r"[\s\S]*?^\[ZValue\s*=", "is a metadata file of SerialEM (.mdoc)",
     "give the tomogram set that RELION's import and alignment made of it"),
    (r"(?:#[^\n]*\n|\$[^\n]*\n)*\$(?:tilt|newstack|xfalign|tiltalign)\b", "is a command file of IMOD (.com)",
     "make a tomogram set of its folder with subtomo import imod"),
    (r"[\s\S]*?^Setup\.DatasetName=", "is a project file of etomo (.edf)",
     "make a tomogram set of its folder with subtomo import imod"),
    (r"\s*[{\[]\s*[\"{\[\]}]", "is a JSON file", "give a STAR file"),
)  # fmt: skip


def recognised(raw: bytes) -> Recognised | None:
    """Tell what kind of file begins with these bytes; None for a STAR file, and for what is not known."""
    start = raw[:_START]
    for signature, words, advice in _SIGNATURES:
        if start.startswith(signature):
            return Recognised(words, advice)
    if _is_mrc(start):
        return Recognised(
            "is an MRC image, not a table",
            "give the STAR file that lists particles, or tilt series; images are named in there",
        )
    if b"\0" in start:
        return None
    text = start.decode("utf-8", "replace").lstrip("\ufeff")
    for pattern, words, advice in _TEXTS:
        if re.match(pattern, text, re.MULTILINE):
            return Recognised(words, advice)
    return _numbers(text)


def _is_mrc(start: bytes) -> bool:
    """Look for the stamp of MRC, or for a header that makes sense without it."""
    if len(start) < 1024:
        return False
    if start[208:211] == b"MAP":
        return True
    for order in ("little", "big"):
        nx, ny, nz, mode = (int.from_bytes(start[at : at + 4], order, signed=True) for at in (0, 4, 8, 12))
        if 1 <= nx < 1 << 16 and 1 <= ny < 1 << 16 and 0 <= nz < 1 << 16 and mode in (0, 1, 2, 6, 12, 101):
            return True
    return False


def _numbers(text: str) -> Recognised | None:
    """Tell tables of bare numbers apart by how many stand in a line."""
    lines = [line.split() for line in text.split("\n")[:50] if line.strip()]
    if len(lines) > 1 and len(text) >= _START:
        lines = lines[:-1]
    if not lines or not all(re.fullmatch(_NUMBER, token) for line in lines for token in line):
        return None
    columns = {len(line) for line in lines}
    if columns == {6}:
        return Recognised(
            "is a list of transforms of IMOD (.xf)", "make a tomogram set of its folder with subtomo import imod"
        )
    if len(columns) == 1 and min(columns) >= _FEWEST_DYNAMO_COLUMNS:
        return Recognised("is a table of Dynamo (.tbl)", "make a particle set of it with subtomo import picks")
    if columns == {1}:
        return Recognised(
            "is a list of numbers, such as tilt angles of IMOD (.tlt)",
            "make a tomogram set of its folder with subtomo import imod",
        )
    if columns == {3}:
        return Recognised(
            "is a list of coordinates without labels",
            "make a particle set of it with subtomo import picks",
        )
    return Recognised("is a table of numbers without labels", "give a STAR file")
