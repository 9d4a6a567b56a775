"""What multiplies the slices of a tilt series: computed once per tomogram and optics group."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.protocol import TiltFilters
from subtomo.errors import InputError
from subtomo.extraction.patches import whole_image
from subtomo.model.optics import OpticsGroup
from subtomo.model.particles import ParticleSet
from subtomo.model.plan import SeriesPlan
from subtomo.model.settings import ExtractionSettings
from subtomo.physics.aberrations import aberration_phase
from subtomo.physics.dose import dose_weights, insertion_limits
from subtomo.physics.noise import noise_spectrum, whitening_weights


def tilt_filters(plan: SeriesPlan, settings: ExtractionSettings) -> TiltFilters:
    """Compute the filters that all particles of a tomogram share; see `with_aberrations` for the rest.

    Raises:
        InputError: Whitening is wanted, but the images are smaller than a patch.
    """
    tomogram = plan.series
    pixel_size = settings.binning * tomogram.pixel_size_angstrom
    weights = dose_weights(tomogram.tilts.dose_e_per_a2, tomogram.dose_b_factor_a2, settings.box_size, pixel_size)
    return TiltFilters(
        pixel_size_angstrom=pixel_size,
        dose_weights=weights,
        limits=insertion_limits(weights, settings.dose_cutoff),
        sign=-1.0 if settings.invert_contrast else 1.0,
        whitening=_whitening(plan, settings) if settings.whiten else None,
    )


def crop_limits(plan: SeriesPlan, settings: ExtractionSettings) -> NDArray[np.int32]:
    """Give the insertion limits (n_tilts, c) of slices that are sampled at the crop size."""
    tomogram = plan.series
    pixel_size = settings.binning * tomogram.pixel_size_angstrom
    weights = dose_weights(tomogram.tilts.dose_e_per_a2, tomogram.dose_b_factor_a2, settings.crop, pixel_size)
    return insertion_limits(weights, settings.dose_cutoff)


def _whitening(plan: SeriesPlan, settings: ExtractionSettings) -> NDArray[np.float32]:
    """Measure the noise of every tilt that is needed; the others keep ones."""
    tomogram, block = plan.series, settings.patch_size
    if tomogram.images is None or min(tomogram.image_size) < block:
        raise InputError(
            f"tomogram {tomogram.name}: its images are {tomogram.image_size[0]} x {tomogram.image_size[1]} pixels, but "
            f"whitening measures the noise in blocks of {block}; use a smaller box or do without whitening (whiten)",
            field=("box_size", "whiten"),
        )
    weights = np.ones((tomogram.n_tilts, settings.box_size, settings.box_size // 2 + 1), np.float32)
    for tilt in np.flatnonzero(plan.visible.any(axis=0)):
        spectrum = noise_spectrum(whole_image(tomogram.images, int(tilt)), block)
        if not np.isfinite(spectrum).all():
            raise InputError(
                f"tilt {tilt + 1} of tomogram {tomogram.name} ({tomogram.source}) has pixels that are not finite, "
                "so its noise cannot be measured; mend the image or leave the tilt out"
            )
        weights[tilt] = whitening_weights(spectrum, settings.box_size, settings.binning)
    return weights


def with_aberrations(
    filters: TiltFilters, group: OpticsGroup, particles: ParticleSet, settings: ExtractionSettings
) -> TiltFilters:
    """Add the higher-order aberrations of an optics group (§6.4)."""
    # RELION takes the first group's pixel size for all groups (quirk 2)
    pixel_size = settings.binning * particles.optics_groups[0].pixel_size_angstrom
    size = settings.box_size
    if group.even_zernike is not None:
        filters = filters._replace(even_phase=aberration_phase(group.even_zernike, size, pixel_size, even=True))
    if group.odd_zernike is not None:
        phase = aberration_phase(group.odd_zernike, size, pixel_size, even=False)
        filters = filters._replace(odd_factor=np.exp(-1j * phase).astype(np.complex64))
    return filters
