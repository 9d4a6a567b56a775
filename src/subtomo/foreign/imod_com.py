"""What IMOD's command files say of a tomogram: tilt.com, newst.com and eTomo's .edf (spec/importing.md, IMOD)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from subtomo.errors import InputError
from subtomo.foreign.text import finite, read_text, view_list

_EXCLUDING = ("EXCLUDELIST2", "EXCLUDELIST", "EXCLUDE")


@dataclass(frozen=True)
class TiltCommand:
    """The entries of tilt.com that bear on geometry; lengths are unbinned pixels."""

    path: str = ""
    angle_offset_deg: float = 0.0
    """Added to all tilt angles."""
    axis_offset_px: float = 0.0
    """By which the tilt axis is beside the middle of the aligned images."""
    x_axis_tilt_deg: float = 0.0
    shift_px: tuple[float, float] = (0.0, 0.0)
    """x and z by which the reconstruction is moved before it is written."""
    thickness_px: float | None = None
    full_image_px: tuple[float, float] | None = None
    subset_start_px: tuple[float, float] = (0.0, 0.0)
    excluded: frozenset[int] = frozenset()
    """Views counted from 1."""
    tilt_file: str = ""
    x_tilt_file: str = ""
    local_file: str = ""
    z_factor_file: str = ""
    input_projections: str = ""


def read_tilt_command(path: Path) -> TiltCommand:
    """Read tilt.com.

    Raises:
        InputError: It cannot be read, or an entry makes no sense.
    """
    entries = _entries(path, "tilt.com of IMOD")
    numbers = partial(_numbers, entries, path)
    offset = (*numbers("OFFSET", 1, (0.0,)), 0.0)
    shift = (*numbers("SHIFT", 1, (0.0,)), 0.0)
    full, start = numbers("FULLIMAGE", 2, ()), numbers("SUBSETSTART", 2, (0.0, 0.0))
    thickness = numbers("THICKNESS", 1, ())
    excluded = frozenset[int]()
    for name in _EXCLUDING:
        for text in entries.get(name, ()):
            excluded |= view_list(text, f"{path}: {name}")
    files = {
        name: entries[name][-1].strip() if name in entries else ""
        for name in ("TILTFILE", "XTILTFILE", "LOCALFILE", "ZFACTORFILE", "INPUTPROJECTIONS")
    }
    if "INCLUDE" in entries:
        raise InputError(f"{path}: has INCLUDE, a list of views to keep; write it as EXCLUDELIST2 of the others")
    return TiltCommand(
        path=str(path),
        angle_offset_deg=offset[0],
        axis_offset_px=offset[1],
        x_axis_tilt_deg=numbers("XAXISTILT", 1, (0.0,))[0],
        shift_px=(shift[0], shift[1]),
        thickness_px=thickness[0] if thickness else None,
        full_image_px=(full[0], full[1]) if full else None,
        subset_start_px=(start[0], start[1]),
        excluded=excluded,
        tilt_file=files["TILTFILE"],
        x_tilt_file=files["XTILTFILE"],
        local_file=files["LOCALFILE"],
        z_factor_file=files["ZFACTORFILE"],
        input_projections=files["INPUTPROJECTIONS"],
    )


def aligned_size_px(path: Path) -> tuple[float, float] | None:
    """Read the size of the aligned stack from newst.com, unbinned pixels; None if it does not say.

    Raises:
        InputError: It cannot be read, or an entry makes no sense.
    """
    entries = _entries(path, "newst.com of IMOD")
    if "SIZETOOUTPUTINXANDY" not in entries:
        return None
    words = entries["SIZETOOUTPUTINXANDY"][-1].replace(",", " ").split()
    if len(words) != 2:
        raise InputError(f"{path}: SizeToOutputInXandY has {len(words)} numbers, expected 2")
    binning = finite(entries.get("BINBYFACTOR", ["1"])[-1].strip() or "1", f"{path}: BinByFactor")
    width, height = (binning * finite(word, f"{path}: SizeToOutputInXandY") for word in words)
    return width, height


def read_directive(path: Path) -> dict[str, str]:
    """Read eTomo's .edf file: keys and values."""
    lines = read_text(path, "an .edf file of eTomo").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, _, value in pairs}


def _numbers(
    entries: dict[str, list[str]], path: Path, name: str, least: int, default: tuple[float, ...]
) -> tuple[float, ...]:
    """Read the numbers of an entry; a default where it is missing or empty."""
    if name not in entries or not entries[name][-1].strip():
        return default
    words = entries[name][-1].replace(",", " ").split()
    found = tuple(finite(word, f"{path}: {name}") for word in words)
    if len(found) < least:
        raise InputError(f"{path}: {name} has {len(found)} numbers, expected {least}")
    return found


def _entries(path: Path, expected: str) -> dict[str, list[str]]:
    """Collect the entries of a command file, under capital letters; comments and shell lines are left out."""
    entries: dict[str, list[str]] = {}
    for line in read_text(path, expected).splitlines():
        words = line.split(maxsplit=1)
        if not words or words[0].startswith(("#", "$")):
            continue
        if words[0].upper() == "DONE":
            break
        entries.setdefault(words[0].upper(), []).append(words[1] if len(words) > 1 else "")
    return entries
