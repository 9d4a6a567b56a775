"""Find the images of a tilt series by the names that its alignment gives them, and name them as RELION does."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from subtomo.errors import InputError
from subtomo.foreign.series_names import match_name
from subtomo.io.image_header import read_image_header
from subtomo.io.image_names import STACK_FORMATS, TIFF_FORMATS, ImageAddress, is_remote, is_zarr_name
from subtomo.io.project import Project
from subtomo.model.foreign import ForeignSeries
from subtomo.words import listed

_SUFFIXES = (".mrcs", ".st", ".mrc", ".tif", ".tiff")
_NO_RAW_STACK = re.compile(r"(_ali|_aln|_preali|_rec|_full|_vol|_orig|_xcor|_erase|_evn|_odd|_3dfind)$", re.I)
_IN_ZARR = re.compile(r"([^/]+)\.zarr(/.*)?$", re.IGNORECASE)
_SERIES = "{name}"
"""Stands in the address of a server for the name of a series."""
_DEEPEST = 2
"""Folders below the given one that are looked into."""
_STAGES = "stages of one series, such as _ali and _rec, are passed over"


@dataclass(frozen=True)
class FoundImages:
    """The images of the kept views."""

    names: tuple[str, ...]
    """As a tilt table has them: relative to the project if they are in it."""
    size_px: tuple[int, int]
    """Width and height."""
    pixel_size_angstrom: float
    """As the header has it; 0 if it says nothing."""
    stack: str = ""
    """The one file of all images, if there is one."""
    notes: tuple[str, ...] = ()
    """What was overlooked to find them."""


def find_images(
    series: ForeignSeries,
    folders: Sequence[str],
    project: Project = None,
    list_files: Callable[[str], Sequence[str]] | None = None,
    *,
    is_only: bool = False,
) -> FoundImages:
    """Find one file per view, or else one stack per series.

    Args:
        series: Whose images they are.
        folders: Where to look, two folders deep; a file or OME-Zarr image among them is taken for a stack. Addresses of
            servers are those of images, with ``{name}`` for the name of the series.
        project: The folder that names become relative to; None for the current one.
        list_files: Lists the images of a folder, as `image_files` does; many series of one folder share a cache of it.
        is_only: Whether no other series is imported, so that the only stack is its own, whatever it is called.

    Raises:
        InputError: There are none, several may be meant, or their number does not fit.
    """
    folders = [folder.replace(_SERIES, series.name) if is_remote(folder) else folder for folder in folders]
    files = [path for folder in folders for path in (list_files or image_files)(folder)]
    single = _single_images(series, files)
    if single:
        header = read_image_header(ImageAddress(single[0], 0))
        names = tuple(_relative(path, project) for path in single)
        return FoundImages(names, (header.nx, header.ny), getattr(header, "pixel_size_angstrom", 0.0))
    stack, how = _stack(series, files, folders, is_only=is_only)
    return _in_stack(series, stack, how, project)


def _stack(series: ForeignSeries, files: list[str], folders: Sequence[str], *, is_only: bool) -> tuple[str, str]:
    """Find the stack of a series, and say what was overlooked to find it."""
    stacks = {path: stem_of(path) for path in files if not _NO_RAW_STACK.search(stem_of(path))}
    if not stacks:
        raise InputError(
            f"{series.source}: no stack of tilt images in {listed(folders)}; name the folder of the images (images)",
            field="images",
        )
    if len(stacks) == 1 and is_only:
        path, stem = next(iter(stacks.items()))
        return path, "" if stem == series.name else "the only stack there"
    try:
        found = match_name(series.name, stacks.values(), "stacks of images")
    except InputError as error:
        raise InputError(f"{series.source}: {error}; looked in {listed(folders)} (images)", field="images") from None
    paths = [path for path, stem in stacks.items() if stem == found.name]
    if len(paths) > 1:
        raise InputError(
            f"{series.source}: the images may be {listed(paths)}; {_STAGES}, but not these: name one of them (images)",
            field="images",
        )
    return paths[0], f"by {found.decided_by}" if found.decided_by else ""


def _in_stack(series: ForeignSeries, path: str, how: str, project: Project) -> FoundImages:
    suffix = Path(path).suffix.lower().lstrip(".")
    header = read_image_header(ImageAddress(path, 0, format="" if suffix in TIFF_FORMATS else suffix))
    notes = [f"images of {series.name} are {path}, {how}"] if how else []
    sections = series.section + 1
    if header.nz == len(series) != series.n_sections:
        sections = sections * 0 + range(1, len(series) + 1)
        notes.append(f"{path} holds the {header.nz} kept views only, and they are numbered so")
    elif header.nz != series.n_sections:
        raise InputError(
            f"{path}: has {header.nz} images, but {series.source} has {series.n_sections} views, of which "
            f"{len(series)} are kept; take the stack that was aligned"
        )
    # RELION takes sections of files with these endings only; a hint behind a colon says the same of others
    hint = "" if suffix in (*STACK_FORMATS, *TIFF_FORMATS) or is_zarr_name(path) else ":mrcs"
    shown_as = _relative(path, project)
    names = tuple(f"{section:06d}@{shown_as}{hint}" for section in sections)
    pixel_size = getattr(header, "pixel_size_angstrom", 0.0)
    return FoundImages(names, (header.nx, header.ny), pixel_size, path, tuple(notes))


def _single_images(series: ForeignSeries, files: Iterable[str]) -> list[str]:
    """Find one file per kept view; nothing if none of them is there."""
    if not series.image_names:
        return []
    by_stem: dict[str, list[str]] = {}
    for path in files:
        by_stem.setdefault(Path(path).stem, []).append(path)
    wanted = [Path(name).stem for name in series.image_names]
    missing = [stem for stem in wanted if stem not in by_stem]
    if len(missing) == len(wanted):
        return []
    if missing:
        raise InputError(
            f"{series.source}: images of {len(missing)} of {len(wanted)} views are missing, such as {listed(missing)}; "
            "put them beside the others, or exclude these views"
        )
    twice = next((stem for stem in wanted if len(by_stem[stem]) > 1), None)
    if twice is not None:
        raise InputError(
            f"{series.source}: the image of a view may be {listed(by_stem[twice])}; name one folder (images)"
        )
    return [by_stem[stem][0] for stem in wanted]


def stem_of(path: str) -> str:
    """Give the name of a stack without folders and ending; of an array, that of the OME-Zarr image which it is in."""
    in_zarr = _IN_ZARR.search(path)
    return in_zarr[1] if in_zarr else Path(path).stem


def image_files(folder: str) -> list[str]:
    """List the images of a folder, two folders deep; a file, an OME-Zarr image and an address are their own list.

    Raises:
        InputError: There is no such folder.
    """
    if os.path.isfile(folder) or is_remote(folder) or (is_zarr_name(folder) and os.path.isdir(folder)):
        return [folder.rstrip("/")]
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: no such folder of images (images); correct its name", field="images")
    found = []
    for root, below, names in os.walk(folder):
        depth = len(Path(root).relative_to(folder).parts)
        found += [os.path.join(root, name) for name in sorted(below) if is_zarr_name(name)]
        below[:] = sorted(name for name in below if not is_zarr_name(name)) if depth < _DEEPEST else []
        found += [os.path.join(root, name) for name in sorted(names) if name.lower().endswith(_SUFFIXES)]
    return found


def _relative(path: str, project: Project) -> str:
    """Name a file as seen from the project, if it is in it; addresses stay as they are."""
    if is_remote(path):
        return path
    here = os.path.realpath(project or "")
    whole = os.path.abspath(path)
    relative = os.path.relpath(whole, os.path.abspath(project or here))
    return relative if not relative.startswith("..") else whole
