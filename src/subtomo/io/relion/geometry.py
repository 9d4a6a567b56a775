"""Whether projection matrices can be meant: where they put the centre of the tomogram."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from subtomo.conventions import MISSING_TOMOGRAM_SIZE
from subtomo.io.reading import warn
from subtomo.model.tilt_series import TiltSeries
from subtomo.physics.projection import project
from subtomo.words import listed

FAR = 0.25
"""Fraction of the image's shorter side beyond which its centre does not show the tomogram's centre."""
OFF_PX = 5.0
"""The same in pixels where matrices have no translation at all, which no alignment gives."""
MOST = 0.5
"""Fraction of the tilts from which something is wrong with all."""
CAUSE = (
    "the translation in rlnTomoProjX, Y and Z seems to be missing, as in files that Warp exports, or the tomogram's "
    "size to "
    "be that of another binning; import Warp's own files with subtomo import warp, or correct sizes and matrices"
)


def centre_distances_px(series: TiltSeries) -> NDArray[np.float64]:
    """Compute how far from each image's centre the tomogram's centre is seen, (n_tilts,) pixels."""
    with np.errstate(over="ignore", invalid="ignore"):
        seen = project(series.tilts.projection, series.centre_px[None, :])[:, :2]
        distances: NDArray[np.float64] = np.hypot(*(seen - np.array(series.image_size) / 2.0).T)
    return distances


def misses_images(series: TiltSeries) -> str | None:
    """Say how far off the tomogram's centre is if most images do not show it where it should be; else None."""
    if MISSING_TOMOGRAM_SIZE in series.size_px:
        return None
    distances = centre_distances_px(series)
    moved = np.abs(series.tilts.projection[:, :2, 3]).max(axis=1) >= 1.0
    far = ~(distances <= np.where(moved, FAR * min(series.image_size), OFF_PX))
    if far.mean() <= MOST:
        return None
    width, height = series.image_size
    return (
        f"the tomogram's centre is seen {np.median(distances):.0f} pixels from the image's centre in the median, and "
        f"far from it in {int(far.sum())} of {len(far)} tilts (images are {width} x {height} pixels)"
    )


def warn_of_missed_images(tomograms: Iterable[TiltSeries], source: str) -> None:
    """Warn of all series whose images do not show their tomogram's centre."""
    problems = {series.name: what for series in tomograms if (what := misses_images(series)) is not None}
    if problems:
        name, what = next(iter(problems.items()))
        others = f" ({len(problems)} tomograms are like this: {listed(problems)})" if len(problems) > 1 else ""
        warn(f"{source}: tomogram {name}: {what}{others}; {CAUSE}")
