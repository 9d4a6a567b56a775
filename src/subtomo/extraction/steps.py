"""What is done to the sums of a particle before they become its volume: a list of steps, by settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.protocol import Backend
from subtomo.backends.spectra import Completed, Raised, Scaled, Sharpened, Step, Undamped, Weighted, Whitened
from subtomo.conventions import DATA_SCALE_TOLERANCE, WEIGHT_FLOOR
from subtomo.model.noise import NoiseLevels
from subtomo.model.settings import Cone, DataTerm, ExtractionSettings
from subtomo.physics.cone import cone_weight

Float = NDArray[np.float64]
Sums = TypeVar("Sums")


@dataclass(frozen=True, eq=False)
class Subject:
    """What steps need to know of one particle."""

    name: str
    frame: Float
    """(3, 3), see `subtomo.model.plan.SeriesPlan.particle_frames`."""
    noise: NoiseLevels | None = None
    """Of its tilt series; None if particles are not completed."""


def data_steps(settings: ExtractionSettings) -> list[Step]:
    """List what makes sums the data term: scale, and damping undone."""
    steps: list[Step] = [Scaled(data_scale(settings))]
    if settings.data_term is DataTerm.CORRECTED:
        steps.append(Undamped())
    return steps


def weight_steps(settings: ExtractionSettings, subject: Subject) -> list[Step]:
    """List what is done to weights, and to data with them: sharpening, whitening, completion, the cone."""
    steps: list[Step] = []
    completes = subject.noise is not None
    if settings.data_term is DataTerm.EXACT and completes:
        steps.append(Raised())
    elif settings.data_term is not DataTerm.RELION:
        # weights of completed particles need no floor: what is that low becomes noise
        steps.append(Sharpened(0.0 if completes else WEIGHT_FLOOR))
    if subject.noise is not None:
        steps.append(completion_of(subject.name, subject.noise))
    elif settings.is_whitened:
        steps.append(Whitened())
    if settings.cone is not None:
        steps.append(cone_step(settings.crop, subject.frame, settings.cone, is_whitened=settings.is_whitened))
    return steps


def apply_steps(backend: Backend[Any, Any, Any, Any, Any, Sums], sums: Sums, steps: Sequence[Step]) -> Sums:
    """Do one step after the other; the sums that are given are consumed."""
    for step in steps:
        sums = backend.apply(sums, step)
    return sums


def completion_of(name: str, noise: NoiseLevels) -> Completed:
    """Whiten and complete a particle with the noise of its tilt series; its name alone decides the random numbers."""
    seed = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")
    return Completed(noise.thresholds, noise.fill, seed)


def cone_step(size: int, frame: Float, cone: Cone, *, is_whitened: bool) -> Weighted:
    """Damp the frequencies of membranes around the z axis of the particle's frame (spec/conventions.md §7.4)."""
    return Weighted(cone_weight(size, frame, cone.angle_deg, cone.sigma_px), is_whitened)


def data_scale(settings: ExtractionSettings) -> float:
    """Give the factor of the data volume, b / (c √binning), one if it is nearly that (§7.3)."""
    scale = settings.box_size / (settings.crop * math.sqrt(settings.binning))
    return scale if abs(scale - 1.0) > DATA_SCALE_TOLERANCE else 1.0
