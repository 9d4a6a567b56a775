"""The volumes of a particle beyond data and weights (spec/conventions.md §7.5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.averaging.division import centred_full, data_term, divide
from subtomo.model.settings import ExtraFile, OutputSettings
from subtomo.model.subtomogram import PseudoSubtomogram
from subtomo.physics.window import centre_distance, soft_disc

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]


def extra_volumes(particle: PseudoSubtomogram, output: OutputSettings) -> dict[str, tuple[Float32, bool]]:
    """Compute the extra files of a particle.

    Returns:
        Suffix of the file name to a (c, c, c) volume and whether that is in Fourier space.
    """
    wanted, volumes = output.extra_files, dict[str, tuple[Float | Float32, bool]]()
    if ExtraFile.CTF2 in wanted:
        volumes["_CTF2"] = centred_full(particle.ctf2), True
    if ExtraFile.MULTIPLICITY in wanted:
        volumes["_multi"] = centred_full(particle.multiplicity), True
    if ExtraFile.DIVIDED in wanted:
        volumes["_div"] = taper(divide(data_term(particle), particle.ctf2, output.snr), output), False
    if ExtraFile.NORMALISED in wanted:
        share = np.divide(
            1.0, particle.multiplicity, where=particle.multiplicity > 0, out=np.zeros(particle.ctf2.shape)
        )
        normalised = np.fft.irfftn(np.fft.rfftn(particle.data) * share, s=particle.data.shape, axes=(0, 1, 2))
        volumes["_data_nrm"] = normalised, False
        volumes["_CTF2_nrm"] = centred_full(particle.ctf2 * share), True
    return {suffix: (volume.astype(np.float32), fourier) for suffix, (volume, fourier) in volumes.items()}


def taper(volume: Float, output: OutputSettings) -> Float:
    """Mask a volume with a soft sphere, its mean under the mask subtracted first unless that is unwanted."""
    size = volume.shape[0]
    mask = soft_disc(centre_distance(size, 3), size / 2.0, output.taper_px)
    mean = float((mask * volume).sum() / mask.sum()) if output.subtract_mean else 0.0
    tapered: Float = mask * (volume - mean)
    return tapered
