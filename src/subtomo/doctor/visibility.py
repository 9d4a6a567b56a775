"""How many tilts show the particles, and what hides them from the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from subtomo.doctor.findings import Finding, error, info, listed, warning
from subtomo.doctor.places import Placed
from subtomo.model.settings import ExtractionSettings

MANY_LEFT_OUT = 0.1
"""Fraction of particles whose loss is a finding."""


def check_visibility(placed: Sequence[Placed], settings: ExtractionSettings, source: str) -> Iterator[Finding]:
    """Count particles that lose tilts, and say why."""
    yield from _patches(placed, settings)
    total = sum(len(one.particles) for one in placed)
    if not total:
        return
    left_out = [entry for one in placed for entry in one.left_out]
    causes = Counter(entry.cause for entry in left_out)
    if left_out:
        text = "; ".join(f"{count} x {cause}" for cause, count in causes.most_common())
        what = f"{len(left_out)} of {total} particles are left out: {text} ({listed(entry.name for entry in left_out)})"
        if len(left_out) == total:
            yield error(
                "visibility",
                source,
                what,
                "use a smaller crop, fewer tilts or a higher dose (crop_size, min_tilts, max_dose_e_per_a2)",
                field=("crop_size", "min_tilts", "max_dose_e_per_a2"),
            )
        elif len(left_out) > MANY_LEFT_OUT * total:
            yield warning("visibility", source, what, "a smaller crop loses fewer; check coordinates if it surprises")
        else:
            yield info("visibility", source, what)
    yield from _losses(placed, settings, source)


def _patches(placed: Sequence[Placed], settings: ExtractionSettings) -> Iterator[Finding]:
    small = [one.tomogram for one in placed if min(one.tomogram.image_size) < settings.patch_size]
    if not small:
        return
    width, height = small[0].image_size
    what = f"images are {width} x {height} pixels, but patches (box_size times binning) are {settings.patch_size}"
    where = listed(tomogram.name for tomogram in small)
    if settings.whiten:
        yield error(
            "box",
            where,
            f"{what}, too large for whitening",
            "use a smaller box, or do without whitening (whiten)",
            field=("box_size", "binning", "whiten"),
        )
    else:
        yield warning(
            "box",
            where,
            what,
            "every patch would repeat the image's edge; use a smaller box or binning",
            field=("box_size", "binning"),
        )


def _losses(placed: Sequence[Placed], settings: ExtractionSettings, source: str) -> Iterator[Finding]:
    limit = settings.max_dose_e_per_a2
    late = {
        one.tomogram.name: int((one.tomogram.tilts.dose_e_per_a2 > limit).sum()) for one in placed if limit is not None
    }
    if any(late.values()):
        counts = sorted(set(late.values()))
        text = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else str(counts[0])
        yield info("visibility", source, f"the dose limit of {limit:g} e/Å² leaves out {text} tilts of every series")
    lost = edge_losses(placed, settings)
    losing = lost[lost > 0]
    if losing.size:
        yield info(
            "visibility",
            source,
            f"{losing.size} of {lost.size} particles lose tilts because their cropped box reaches over an edge: "
            f"{np.median(losing):.0f} tilts in the median, {losing.max()} at most",
        )


def edge_losses(placed: Sequence[Placed], settings: ExtractionSettings) -> np.ndarray:
    """Count per particle the tilts within the dose limit in which its cropped box is not inside the image."""
    limit = np.inf if settings.max_dose_e_per_a2 is None else settings.max_dose_e_per_a2
    counts = [((one.tomogram.tilts.dose_e_per_a2 <= limit) & ~one.plan.visible).sum(axis=1) for one in placed]
    return np.concatenate([np.zeros(0, np.int64), *counts])


def visibility_facts(placed: Sequence[Placed], settings: ExtractionSettings) -> dict[str, Any]:
    """Give the counts for programs."""
    seen = np.concatenate([np.zeros(0, np.int64), *(one.plan.visible.sum(axis=1) for one in placed)])
    if not seen.size:
        return {}
    left_out = Counter(entry.cause for one in placed for entry in one.left_out)
    return {
        "particles": int(seen.size),
        "left_out": dict(left_out),
        "losing_tilts_at_edges": int((edge_losses(placed, settings) > 0).sum()),
        "visible_tilts": {"least": int(seen.min()), "median": float(np.median(seen)), "most": int(seen.max())},
    }
