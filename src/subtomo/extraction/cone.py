"""Damp the frequencies of membranes in finished volumes (spec/conventions.md §7.4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.protocol import FourierVolume
from subtomo.model.settings import Cone
from subtomo.physics.cone import cone_weight

Float = NDArray[np.float64]


def damp_cone(volume: FourierVolume, frame: Float, cone: Cone, *, is_whitened: bool = False) -> FourierVolume:
    """Multiply data, CTF² and multiplicity by the weight of a cone around the z axis of the particle's frame.

    Whitened data are multiplied by its root, as data and the root of CTF² both are then.
    """
    size = volume.data.shape[0]
    weight = cone_weight(size, frame, cone.angle_deg, cone.sigma_px)
    factor = np.sqrt(weight) if is_whitened else weight
    data = np.fft.irfftn(np.fft.rfftn(volume.data) * factor, s=volume.data.shape, axes=(0, 1, 2))
    weights = volume.weights.reshape(2, *weight.shape) * weight
    return FourierVolume(data.astype(np.float32), weights.reshape(volume.weights.shape).astype(np.float32))
