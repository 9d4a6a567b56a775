"""What unit noise in the images of a tilt series becomes in the terms of its particles (spec/cost.md).

The cost of a pose by tilt images weighs with the noise of the images. What the terms show of it depends on how images
were cropped and added up, and on the CTF: near its zeros it is more than the weight tells. So noise that is measured
in terms is divided by what noise of unit variance leaves there.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from subtomo.alignment.terms import particle_terms
from subtomo.alignment.voxels import Voxels
from subtomo.extraction.extractor import TomogramExtractor, new_backend
from subtomo.extraction.plan import plan_extraction
from subtomo.model.particles import ParticleSet
from subtomo.model.settings import ExtractionSettings
from subtomo.model.subtomogram import PseudoSubtomogram
from subtomo.model.tilt_series import TiltSeries, TomogramSet
from subtomo.physics.projection import project

Float = NDArray[np.float64]

PARTICLES = 6
"""Made of noise."""


def noise_response(
    series: TiltSeries, particles: ParticleSet, settings: ExtractionSettings, voxels: Voxels, seed: int = 0
) -> Float:
    """Measure the power, by shell and weighted with W, that white images of unit variance leave in D / √W.

    Args:
        series: Whose tilts, CTF and dose count; its images do not.
        particles: Of which optics groups are taken.
        settings: Of the extraction; whitening of images is not repeated, for white images need none.
        voxels: Where terms are compared.
        seed: Of the noise.

    Returns:
        (n_shells,); one where a shell holds nothing.
    """
    margin = 4
    side = settings.patch_size + 2 * margin
    tilts, centre = series.tilts, series.centre_px
    projection = tilts.projection.copy()
    seen = project(projection, centre[None])[:, :2]
    projection[:, :2, 3] += side / 2 - seen
    images = np.random.default_rng(seed).standard_normal((PARTICLES, len(projection), side, side), dtype=np.float32)
    members = particles.in_tomogram(series.name)
    optics = particles.optics_groups[particles.optics_group[members[0]] if len(members) else 0]
    sums = np.zeros((2, voxels.reach + 1))
    plain = replace(settings, whiten=False, apply_orientations=False, min_tilts=0, complete_noise=False)
    for number in range(PARTICLES):
        small = replace(
            series, image_size=(side, side), images=images[number], tilts=replace(tilts, projection=projection)
        )
        one = ParticleSet.at(
            series.name, np.zeros((1, 3)), pixel_size_angstrom=series.pixel_size_angstrom, centred=True
        )
        one = replace(one, optics_groups=(optics,))
        plan = plan_extraction(TomogramSet((small,), series.source), one, plain).series[0]
        item = TomogramExtractor(plan, one, plain).extract(0, new_backend(plain))
        assert isinstance(item, PseudoSubtomogram)
        terms = particle_terms(item, voxels)
        weight = np.where(terms.weights > terms.least_held, terms.weights.astype(np.float64) ** 2, 0.0)
        power = (terms.data.astype(np.float64) ** 2).sum(axis=1)
        for row, values in enumerate((weight * power, weight)):
            sums[row] += np.bincount(voxels.shells, values, voxels.reach + 1)
    response: Float = np.divide(sums[0], sums[1], out=np.ones(voxels.reach + 1), where=sums[1] > 0)
    return response
