"""The volumes of a particle beyond data and weights (spec/conventions.md §7.5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.averaging.division import data_term, divide
from subtomo.model.settings import OutputSettings
from subtomo.model.subtomogram import PseudoSubtomogram
from subtomo.physics.window import centre_distance, soft_disc

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]


def divided(particle: PseudoSubtomogram, output: OutputSettings) -> Float32:
    """Compute data divided by CTF², with a soft edge, (c, c, c)."""
    return taper(divide(data_term(particle), particle.ctf2, output.snr), output).astype(np.float32)


def normalised_data(particle: PseudoSubtomogram) -> Float32:
    """Compute data divided by the multiplicity where there is any, (c, c, c)."""
    spectrum = np.fft.rfftn(particle.data) * _share(particle)
    return np.fft.irfftn(spectrum, s=particle.data.shape, axes=(0, 1, 2)).astype(np.float32)


def normalised_ctf2(particle: PseudoSubtomogram) -> Float:
    """Compute CTF² divided by the multiplicity where there is any, (c, c, c // 2 + 1)."""
    return particle.ctf2 * _share(particle)


def taper(volume: Float, output: OutputSettings) -> Float:
    """Mask a volume with a soft sphere, its mean under the mask subtracted first unless that is unwanted."""
    size = volume.shape[0]
    mask = soft_disc(centre_distance(size, 3), size / 2.0, output.taper_px)
    mean = float((mask * volume).sum() / mask.sum()) if output.subtract_mean else 0.0
    tapered: Float = mask * (volume - mean)
    return tapered


def _share(particle: PseudoSubtomogram) -> Float:
    """Give one over the multiplicity, zero where no slice touched a voxel."""
    multiplicity = particle.multiplicity
    return np.divide(1.0, multiplicity, where=multiplicity > 0, out=np.zeros(multiplicity.shape))
