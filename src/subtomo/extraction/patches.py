"""Opening tilt images, and reading the patches of particles before they are needed."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.model.plan import SeriesPlan
from subtomo.model.settings import ExtractionSettings, Output
from subtomo.model.tilt_series import TiltImageSequence
from subtomo.physics.projection import patch_corners

Ints = NDArray[np.int64]
_MOST_MAPPED = 48 << 20
"""Bytes of mapped images that may count as memory of the process while particles are made."""
_AT_ONCE = 16
"""Windows that are asked for at a time for one particle."""


def opened_anew(images: TiltImageSequence) -> TiltImageSequence:
    """Give an equal sequence with no file open, if it has files: its files are closed when it is dropped.

    Sets of many tomograms have more files than can be open at a time.
    """
    reopened = getattr(images, "reopened", None)
    fresh: TiltImageSequence = reopened() if reopened else images
    return fresh


def read_patches_ahead(plan: SeriesPlan, settings: ExtractionSettings, wanted: NDArray[np.bool_]) -> None:
    """Ask for the rows of all patches of some particles, if the images take such hints.

    Args:
        plan: The tomogram and its particles.
        settings: Of the extraction.
        wanted: (n,) which particles of the plan.

    Raises:
        InputError: A file of tilt images is unusable.
    """
    images = plan.series.images
    if images is None or settings.output is Output.PROJECTIONS:
        return
    read_ahead = getattr(opened_anew(images), "read_ahead", None)
    if read_ahead is None:
        return
    height, size = plan.series.image_size[1], settings.patch_size
    for tilt in range(plan.series.n_tilts):
        positions = plan.image_positions_px[wanted & plan.visible[:, tilt], tilt]
        starts = patch_corners(positions, size)[:, 1]
        for start, end in _united(starts.clip(0, height - 1), (starts + size).clip(1, height)):
            read_ahead(tilt, start, end)


def sources_of(images: TiltImageSequence, tilts: Ints, corners: Ints, size: int) -> tuple[list[NDArray[Any]], Ints]:
    """Give what patches are cut from: whole images, or just the part around each patch where parts cost less.

    Args:
        images: Of the series.
        tilts: (n,) one per patch.
        corners: (n, 2) x and y of the patches in the images.
        size: Side of the patches.

    Returns:
        One array (height, width) per patch, and the corners (n, 2) in these. What a patch has beyond the edges of an
        image, it has beyond the same edges of the part.
    """
    if not getattr(images, "is_read_in_parts", False):
        return [images[tilt] for tilt in tilts.tolist()], corners
    height, width = images.shape[1:]
    sides = np.array([width, height])
    first, last = corners.clip(0, sides - 1), (corners + size).clip(1, sides)

    def part(place: tuple[int, list[int], list[int]]) -> NDArray[Any]:
        tilt, (left, top), (right, bottom) = place
        window: NDArray[Any] = images.window(tilt, (top, bottom), (left, right))  # type: ignore[attr-defined]
        return window

    places = list(zip(tilts.tolist(), first.tolist(), last.tolist(), strict=True))
    if not getattr(images, "is_remote", False):
        return list(map(part, places)), corners - first
    # servers take long to answer, and can answer side by side
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(part, places)), corners - first


class MappedPages:
    """Gives back what was read of mapped images before it is much.

    Pages stay in the system's cache, but no longer count as memory of the process, which schedulers of clusters limit.
    """

    def __init__(self, images: TiltImageSequence) -> None:
        """Note how much of other files is mapped already: programs and libraries."""
        self._give_back = getattr(images, "give_back_pages", None)
        self._others = _mapped_bytes()

    def tidy(self) -> None:
        """Give back what is mapped if it is too much; other threads may read meanwhile."""
        if self._give_back is not None and _mapped_bytes() > self._others + _MOST_MAPPED:
            self._give_back()


def _mapped_bytes() -> int:
    """Read how many bytes of files count as memory of this process; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as stream:
            return int(stream.read().split()[2]) * mmap.PAGESIZE
    except (OSError, IndexError):
        return 0


def whole_image(images: TiltImageSequence, tilt: int) -> NDArray[Any]:
    """Give an image of a series, (height, width): a copy if the images give copies."""
    copy = getattr(images, "window", None)
    height, width = images.shape[1:]
    image: NDArray[Any] = images[tilt] if copy is None else copy(tilt, (0, height), (0, width))
    return image


def _united(starts: Ints, ends: Ints) -> Iterator[tuple[int, int]]:
    """Unite intervals that touch or overlap."""
    if not len(starts):
        return
    order = np.argsort(starts)
    starts, reached = starts[order], np.maximum.accumulate(ends[order])
    first = np.flatnonzero(np.concatenate([[True], starts[1:] > reached[:-1]]))
    last = np.append(first[1:], len(starts)) - 1
    yield from zip(starts[first].tolist(), reached[last].tolist(), strict=True)
