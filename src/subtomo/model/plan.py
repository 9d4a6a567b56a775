"""The plan of an extraction: which particles, which tilts, which frames; decided once, before any image is read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from subtomo.model.noise import NoiseLevels
from subtomo.model.notebook import Shown
from subtomo.model.particles import ParticleSet
from subtomo.model.rows import ONE_PER_ROW, take_rows
from subtomo.model.settings import ExtractionSettings
from subtomo.model.tilt_series import TiltSeries

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class SeriesPlan(Shown):
    """The particles to be extracted from one tilt series."""

    series: TiltSeries
    particles: NDArray[np.int64] = field(metadata=ONE_PER_ROW)
    """(n,) indices into the particle set, in file order."""
    positions_px: Float = field(metadata=ONE_PER_ROW)
    """(n, 3) decentred pixels, offsets applied if so set; without motion."""
    image_positions_px: Float = field(metadata=ONE_PER_ROW)
    """(n, n_tilts, 2) x and y in the tilt images, motion and deformation included."""
    defocus_offset_angstrom: Float = field(metadata=ONE_PER_ROW)
    """(n, n_tilts) to be added to the defocus of the tomogram's centre."""
    orientations: Float = field(metadata=ONE_PER_ROW)
    """(n, 3, 3) from the frame of the volume to the tomogram's."""
    particle_frames: Float = field(metadata=ONE_PER_ROW)
    """(n, 3, 3) from the particle's own frame to the tomogram's, whatever frame the volume is built in."""
    visible: NDArray[np.bool_] = field(metadata=ONE_PER_ROW)
    """(n, n_tilts) which tilts contribute."""
    noise: NoiseLevels | None = None
    """Of whitened particles, once it was measured; a part of the plan must have that of the whole."""

    def __len__(self) -> int:
        return len(self.particles)

    def take(self, indices: ArrayLike) -> SeriesPlan:
        """Take some particles, given by their places in this plan (m,), or by a mask (n,)."""
        return take_rows(self, indices)

    def _facts(self) -> list[tuple[str, Any]]:
        visible = self.visible.sum(axis=1)
        seen = f"{visible.min()} to {visible.max()} of {self.series.n_tilts} tilts" if len(self) else None
        return [("", f"{len(self)} particles of {self.series.name}"), ("visible in", seen)]


@dataclass(frozen=True)
class LeftOut:
    """A particle that will not be extracted, and why."""

    particle: int
    """Index into the particle set."""
    name: str
    tomogram: str
    visible_tilts: int
    cause: str
    """In few words, the same for all particles that it applies to."""
    reason: str
    """With the numbers of this particle."""


@dataclass(frozen=True, eq=False, repr=False)
class ExtractionPlan(Shown):
    """All decisions of an extraction."""

    settings: ExtractionSettings
    particles: ParticleSet
    series: tuple[SeriesPlan, ...]
    """One per tilt series with particles, in the order of the tomogram set; a plan can be empty."""
    left_out: tuple[LeftOut, ...]

    def __len__(self) -> int:
        return sum(map(len, self.series))

    @property
    def why_empty(self) -> str | None:
        """In one line, why nothing is to be made: the commonest cause, with an example; None if something is."""
        if len(self):
            return None
        causes = Counter(entry.cause for entry in self.left_out)
        if not causes:
            return f"{self.particles.source}: there is no particle to be made; check the selection"
        (cause, count), *others = causes.most_common()
        example = next(entry for entry in self.left_out if entry.cause == cause)
        rest = f", the others for {len(others)} other reason(s)" if others else ""
        return (
            f"{self.particles.source}: all {len(self.left_out)} particles are left out, {count} of them "
            f"{cause}{rest}; for instance {example.name}: {example.reason}"
        )

    @property
    def indices(self) -> NDArray[np.int64]:
        """Indices into the particle set in the order of extraction: by tomogram, then as in the file."""
        return np.concatenate([np.zeros(0, np.int64), *(entry.particles for entry in self.series)])

    def _facts(self) -> list[tuple[str, Any]]:
        causes = Counter(entry.cause for entry in self.left_out).most_common(1)
        cause = f", most of them {causes[0][0]}" if causes else ""
        settings = self.settings
        return [
            ("", f"{len(self)} of {len(self.particles)} particles to be made from {len(self.series)} tilt series"),
            ("left out", f"{len(self.left_out)}{cause}"),
            ("box", f"{settings.box_size}, crop {settings.crop}, binning {settings.binning:g}"),
        ]
