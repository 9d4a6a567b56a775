"""AreTomo 2 and 3: tilt series from their .aln files (spec/importing.md, AreTomo)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from subtomo.errors import InputError
from subtomo.foreign.extras import import_reader
from subtomo.foreign.text import read_text
from subtomo.foreign.tilt_series_source import SourceOptions, TiltSeriesSource, refuse_repeated, refuse_unknown_views
from subtomo.model.foreign import Float, ForeignSeries, Frame, Int, ModelPart, RigidAlignment, SourceModel

LOCAL, MAGNIFICATION = "local alignment", "magnification"
_RELIABLE = 0.9
_NARROWNESS = 100.0
_HELD_MAGNIFICATION = 1e-3
"""Further from 1 than this, particles themselves would be scaled."""
_THICKNESS = "# Thickness"
_Patches = tuple[Float, Float]
"""Places (m, 2) and shifts (m, 2), pixels."""


@dataclass(frozen=True, eq=False)
class AreTomoModel(SourceModel):
    """AreTomo's formulas: rotation, tilt, shift, and shifts of patches."""

    parts: tuple[ModelPart, ...]
    alignment: RigidAlignment
    """In pixels."""
    magnification: Float
    """(n_views,)"""
    patches: tuple[_Patches, ...]
    """One per view; none if there is no local alignment."""
    image_size_px: tuple[int, int]

    def project(self, points_angstrom: Float, frame: Frame, without: frozenset[str] = frozenset()) -> Float:
        """Project points (m, 3); Å from the centre of the images, (n_views, m, 2)."""
        points = points_angstrom / frame.pixel_size_angstrom
        seen: Float = np.einsum("vij,mj->vmi", self.alignment.rotations[:, :2], points)
        if MAGNIFICATION not in without:
            seen = seen / self.magnification[:, None, None]
        if LOCAL not in without:
            for view, (places, shifts) in enumerate(self.patches):
                seen[view] += self._local(seen[view], places, shifts)
        seen = (seen + self.alignment.shift[:, None]) * frame.pixel_size_angstrom
        return seen

    def _local(self, points: Float, places: Float, shifts: Float) -> Float:
        """Average the shifts of patches at points (m, 2), by their distances in units of the image's sides."""
        if not len(places):
            return np.zeros_like(points)
        distance = (points[:, None] - places[None]) / np.array(self.image_size_px)
        exponent = -_NARROWNESS * np.square(distance).sum(axis=2)
        # far from all patches only the ratios of weights count
        weights = np.exp(exponent - exponent.max(axis=1, keepdims=True))
        mean: Float = (weights @ shifts) / weights.sum(axis=1, keepdims=True)
        return mean


class AreTomoAln(TiltSeriesSource):
    """One .aln file per tilt series."""

    program = "AreTomo"
    suffixes = (".aln",)
    expected = "an .aln file of AreTomo"

    def read(self, path: Path, options: SourceOptions) -> ForeignSeries:
        """Read one tilt series; see `TiltSeriesSource.read`."""
        text = read_text(path, self.expected)
        document = _parsed(text, path)
        rows = document.GlobalAlignments
        width, height, n_sections = document.RawSize
        section = _sections(document, str(path))
        refuse_unknown_views(options.exclude_views, n_sections, str(path))
        kept = np.array([int(one) + 1 not in options.exclude_views for one in section])
        if not kept.any():
            raise InputError(f"{path}: no view is left to import")
        tilt = np.array([row.tilt for row in rows])[kept]
        refuse_repeated(tilt, [int(one) + 1 for one in section[kept]], str(path))
        numbers = np.array([[row.rot, row.tx, row.ty, row.gmag, row.tilt] for row in rows])
        if not np.isfinite(numbers).all():
            raise InputError(
                f"{path}: row {int(np.flatnonzero(~np.isfinite(numbers).all(axis=1))[0]) + 1} holds no number"
            )
        alignment = RigidAlignment(
            x_tilt_deg=np.zeros(len(tilt)), y_tilt_deg=tilt, z_rot_deg=numbers[kept, 0], shift=numbers[kept, 1:3]
        )
        patches = _patches(document, [index for index, is_kept in enumerate(kept) if is_kept], path)
        magnification = numbers[kept, 3]
        if not (magnification > 0).all():
            raise InputError(f"{path}: GMAG is {magnification.min():g} in a row, but must be above zero")
        return ForeignSeries(
            name=path.name.removesuffix(".aln"),
            source=str(path),
            files=(str(path),),
            section=section[kept],
            n_sections=n_sections,
            alignment=alignment,
            model=AreTomoModel(
                tuple(_parts(patches, magnification)), alignment, magnification, patches, (width, height)
            ),
            lengths_in_pixels=True,
            nominal_tilt_deg=tilt - (document.AlphaOffset or 0.0),
            left_out=tuple(_left_out(document, options, section[~kept])),
            image_size_px=(width, height),
            volume_size=(None, None, _thickness(text)),
            notes=tuple(_notes(patches)),
        )


def _parsed(text: str, path: Path) -> Any:
    """Parse the text; InputError says what is missing in it."""
    reader = import_reader("alnfile.data_model", "alignments of AreTomo").AlnData
    if "# AreTomo Alignment" not in text[:200]:
        raise InputError(f"{path}: does not begin with '# AreTomo Alignment', expected an .aln file of AreTomo")
    try:
        document = reader.from_string(text)
    except Exception as error:  # the reader raises whatever its parsing stumbles on
        what = " ".join(str(error).split())[:100]
        raise InputError(f"{path}: is cut short or damaged ({what}); copy it again") from None
    if not document.GlobalAlignments:
        raise InputError(f"{path}: has no row of an alignment, so the tilt series is not aligned; run AreTomo again")
    if min(document.RawSize) < 1:
        raise InputError(f"{path}: RawSize is {document.RawSize}; the file is damaged")
    return document


def _sections(document: Any, source: str) -> Int:
    """Find the sections of the kept views, (n,) counted from 0, by whichever way of counting gives all of them."""
    n = document.RawSize[2]
    kept = np.array([row.sec for row in document.GlobalAlignments])
    dark = np.array([frame.val2 for frame in document.DarkFrames], dtype=np.int64)
    for base in (1, 0):
        if sorted([*kept, *dark]) == list(range(base, n + base)):
            return kept - base
        # darks counted from 0, SEC from 1
        if base == 1 and len(dark) and sorted([*(kept - 1), *dark]) == list(range(n)):
            return kept - 1
    in_order = [frame.section_idx for frame in document.DarkFrames]
    for base in (0, 1):
        counted = sorted(kept) == list(range(base, len(kept) + base))
        if counted and len(kept) + len(set(in_order)) == n and set(in_order) <= set(range(n)):
            if in_order != dark.tolist() and [number + 1 for number in in_order] != dark.tolist():
                break  # the stack is not sorted by tilt, and nothing says where the kept views are in it
            remaining = np.setdiff1d(np.arange(n), in_order)
            places: Int = remaining[kept - base]
            return places
    shown = f"SEC {kept.min()} to {kept.max()} in {len(kept)} rows, {len(dark)} DarkFrame rows, RawSize {n}"
    raise InputError(
        f"{source}: kept and dark views together are not the sections of the stack ({shown}); the file is cut short, "
        "or of another version"
    )


def _patches(document: Any, kept: list[int], path: Path) -> tuple[_Patches, ...]:
    """Collect the reliable patches of the kept views; rows are counted from 0 in the order of the alignment."""
    if not document.LocalAlignments:
        return ()
    rows = np.array(
        [
            [row.sec_idx, row.center_x, row.center_y, row.shift_x, row.shift_y, row.is_reliable]
            for row in document.LocalAlignments
        ]
    )
    n = len(document.GlobalAlignments)
    if not np.isfinite(rows).all() or not (rows[:, 0].min() >= 0 and rows[:, 0].max() < n):
        raise InputError(f"{path}: its local alignment names views that its global one lacks; the file is damaged")
    good = rows[rows[:, 5] >= _RELIABLE]
    return tuple((of_view[:, 1:3], of_view[:, 3:5]) for of_view in (good[good[:, 0] == index] for index in kept))


def _parts(patches: tuple[_Patches, ...], magnification: Float) -> Iterator[ModelPart]:
    if any(np.abs(shifts).max(initial=0.0) > 0 for _, shifts in patches):
        yield ModelPart(LOCAL, is_carried=True)
    largest = float(np.abs(magnification - 1.0).max())
    if largest > 0:
        yield ModelPart(MAGNIFICATION, is_carried=largest <= _HELD_MAGNIFICATION, detail=f"up to {100 * largest:.2f} %")


def _notes(patches: tuple[_Patches, ...]) -> Iterator[str]:
    empty = sum(not len(places) for places, _ in patches)
    if patches:
        yield (
            f"the local alignment is the mean of its reliable patches, weighted by {_NARROWNESS:g} times their squared "
            "distance in units of the image's sides; AreTomo does not document what it does between them"
        )
    if empty:
        yield f"{empty} of {len(patches)} views have no reliable patch, and no local alignment"


def _left_out(document: Any, options: SourceOptions, excluded: Int) -> Iterator[str]:
    for frame in document.DarkFrames:
        yield f"section {frame.val2} ({frame.angle:g}°): dark frame"
    for section in excluded:
        yield f"view {section + 1}: as asked"


def _thickness(text: str) -> float | None:
    """Find the thickness in pixels, which newer files have."""
    line = next((line for line in text.splitlines() if line.startswith(_THICKNESS)), None)
    try:
        thickness = float(line.partition("=")[2]) if line is not None else 0.0
    except ValueError:
        return None
    return thickness if thickness > 0 else None
