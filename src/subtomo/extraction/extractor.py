"""From tilt images to pseudo-subtomograms, one particle at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.protocol import AnyBackend, Backend, BoxGeometry, TiltFilters
from subtomo.backends.registry import DEFAULT, get_backend
from subtomo.backends.spectra import FourierVolume
from subtomo.errors import InputError
from subtomo.extraction.filters import crop_limits, tilt_filters, with_aberrations
from subtomo.extraction.patches import MappedPages, opened_anew, sources_of, whole_image
from subtomo.extraction.steps import Subject, apply_steps, data_steps, weight_steps
from subtomo.io.file_state import require_unchanged
from subtomo.model.particles import ParticleSet
from subtomo.model.plan import SeriesPlan
from subtomo.model.settings import CircleCrop, DataTerm, ExtractionSettings, Output
from subtomo.model.subtomogram import Extracted, PseudoSubtomogram, TiltStack
from subtomo.physics.ctf import CtfTerms, ctf_terms
from subtomo.physics.projection import patch_corners, slice_axes
from subtomo.physics.window import gridding_precorrection

Float = NDArray[np.float64]
Limits = NDArray[np.int32]
Tilts = NDArray[np.int64]
Slices = TypeVar("Slices")
Images = TypeVar("Images")
Sums = TypeVar("Sums")
_Backend: TypeAlias = Backend[Any, Any, Slices, Images, Any, Sums]

_NO_LIMITS = np.zeros((0, 0), np.int32)


def box_geometry(settings: ExtractionSettings) -> BoxGeometry:
    """Give the sizes that a backend needs to know."""
    return BoxGeometry(settings.patch_size, settings.box_size, settings.crop, settings.binning)


class TomogramExtractor:
    """Extracts the particles of one tomogram; shared by threads, each of which brings its own backend.

    Args:
        plan: The tomogram and its particles.
        particles: The set that the plan refers to.
        settings: Of the extraction.

    Raises:
        InputError: The tomogram has no images.
    """

    def __init__(self, plan: SeriesPlan, particles: ParticleSet, settings: ExtractionSettings) -> None:
        if plan.series.images is None:
            raise InputError(f"tomogram {plan.series.name}: its images were not opened, only its geometry")
        self.plan, self.particles, self.settings = plan, particles, settings
        width, height = plan.series.image_size
        if plan.series.images.shape != (plan.series.n_tilts, height, width):
            raise InputError(
                f"tomogram {plan.series.name}: its images are {plan.series.images.shape} (tilts, height, width), "
                f"expected {(plan.series.n_tilts, height, width)}; give one image per tilt, indexed [tilt, y, x]"
            )
        self._images = opened_anew(plan.series.images)
        self._pages = MappedPages(self._images)
        self._files = states() if (states := getattr(self._images, "file_states", None)) else {}
        self._precorrection = (
            gridding_precorrection(settings.box_size, settings.boundary) if settings.gridding_precorrection else None
        )
        self._crop_limits = crop_limits(plan, settings) if settings.data_term is DataTerm.EXACT else _NO_LIMITS
        shared = tilt_filters(plan, settings)
        self._filters: dict[int, TiltFilters] = {
            int(group): with_aberrations(shared, particles.optics_groups[group], particles, settings)
            for group in np.unique(particles.optics_group[plan.particles])
        }
        self._noise = plan.noise

    def extract(self, index: int, backend: AnyBackend) -> Extracted:
        """Extract the particle at ``index`` of the plan, on a backend of the right geometry.

        Raises:
            InputError: The result is not finite, or files of the images changed since they were opened.
        """
        is_stack = self.settings.output is Output.STACK_2D
        particle = self._stack(index, backend) if is_stack else self._subtomogram(index, backend)
        require_unchanged(self._files)
        return particle

    def plain_terms(self, index: int, backend: AnyBackend) -> FourierVolume:
        """Give the data term of a particle in real space, and CTF² as it was inserted."""
        return backend.to_volume(self._data_term(index, backend))

    def _subtomogram(self, index: int, backend: AnyBackend) -> PseudoSubtomogram:
        settings, plan = self.settings, self.plan
        subject = Subject(self._name(index), plan.particle_frames[index], self._noise)
        sums = apply_steps(backend, self._data_term(index, backend), weight_steps(settings, subject))
        volume = backend.to_volume(sums)
        # one bad pixel spreads over all voxels, so one voxel tells
        if not np.isfinite(volume.data[0, 0, 0]):
            raise self._not_finite(index)
        crop = settings.crop
        return PseudoSubtomogram(
            name=subject.name,
            particle=int(plan.particles[index]),
            data=volume.data,
            ctf2=volume.weights[:crop],
            multiplicity=volume.weights[crop:],
            pixel_size_angstrom=self._filters_of(index).pixel_size_angstrom,
            visible=plan.visible[index],
            orientation=plan.orientations[index],
            is_whitened=settings.is_whitened,
        )

    def _data_term(self, index: int, backend: _Backend[Slices, Images, Sums]) -> Sums:
        """Add up the slices of a particle, by the accumulator of the data term."""
        add_up = self._exact_sums if self.settings.data_term is DataTerm.EXACT else self._trilinear_sums
        axes = slice_axes(self.plan.series.tilts.projection, self.plan.orientations[index], self.settings.relative_box)
        return apply_steps(backend, add_up(index, axes, backend), data_steps(self.settings))

    def _trilinear_sums(self, index: int, axes: Float, backend: _Backend[Slices, Images, Sums]) -> Sums:
        sums, filters = backend.trilinear(), self._filters_of(index)
        is_windowed = CircleCrop.SLICE in self.settings.circle_crop or self._precorrection is not None
        sums.begin()
        for modulated, tilts in self._modulated(index, backend, filters):
            if is_windowed:
                modulated = backend.to_slices(self._windowed(backend.to_images(modulated), backend), modulated)
            sums.insert(modulated, axes[tilts], filters.limits[tilts])
        return sums.spectra()

    def _exact_sums(self, index: int, axes: Float, backend: _Backend[Slices, Images, Sums]) -> Sums:
        sums, filters = backend.exact(), self._filters_of(index)
        sums.begin()
        for modulated, tilts in self._modulated(index, backend, filters):
            sums.insert_weights(modulated, axes[tilts], filters.limits[tilts])
            self._insert_data(modulated, axes[tilts], tilts, filters.limits, backend)
        return sums.spectra()

    def _insert_data(
        self,
        modulated: Slices,
        axes: Float,
        tilts: Tilts,
        limits: Limits,
        backend: _Backend[Slices, Any, Any],
    ) -> None:
        """Add slices to the exact data term.

        A circle-cropped image is black outside the window of the crop, so that its slice needs no finer sampling than
        that window's.
        """
        scales = np.linalg.norm(axes, axis=2).prod(axis=1)
        if CircleCrop.SLICE not in self.settings.circle_crop:
            backend.exact().insert_data(modulated, axes, limits[tilts], scales)
            return
        slices = backend.to_crop_slices(backend.circle_crop(backend.to_images(modulated)))
        relative = self.settings.relative_box
        backend.exact().insert_data(slices, axes / relative, self._crop_limits[tilts], scales / relative)

    def _stack(self, index: int, backend: AnyBackend) -> TiltStack:
        settings, plan = self.settings, self.plan
        filters = self._filters_of(index)
        filters = filters._replace(sign=filters.sign / settings.binning)
        windows = [np.zeros((0, settings.crop, settings.crop), np.float32)]
        for modulated, _ in self._modulated(index, backend, filters):
            images = backend.to_images(modulated)
            windows.append(backend.window(self._windowed(images, backend)))
            if not np.isfinite(windows[-1][:, 0, 0]).all():
                raise self._not_finite(index)
        return TiltStack(
            name=self._name(index),
            particle=int(plan.particles[index]),
            images=np.concatenate(windows),
            pixel_size_angstrom=filters.pixel_size_angstrom,
            visible=plan.visible[index],
            orientation=plan.orientations[index],
        )

    def _modulated(
        self, index: int, backend: _Backend[Slices, Any, Any], filters: TiltFilters
    ) -> Iterator[tuple[Slices, Tilts]]:
        """Cut the patches of the visible tilts and turn them into weighted slices, batch by batch (§6.1 to §6.6)."""
        settings = self.settings
        visible = np.flatnonzero(self.plan.visible[index])
        position = self.plan.image_positions_px[index, visible]
        corner = patch_corners(position, settings.patch_size)
        shift = (position - corner) / settings.binning
        ctf = self._ctf(index, visible) if settings.apply_ctf else None
        images, corner = sources_of(self._images, visible, corner, settings.patch_size)
        for start in range(0, len(visible), backend.tilts_at_once):
            batch = slice(start, start + backend.tilts_at_once)
            patches = backend.crop(images[batch], corner[batch])
            self._pages.tidy()
            if CircleCrop.PATCH in settings.circle_crop:
                patches = backend.circle_crop_patches(patches)
            slices = backend.transform(patches, shift[batch])
            terms = None if ctf is None else ctf.of_tilts(batch)
            yield backend.modulate(slices, visible[batch], filters, terms), visible[batch]

    def _windowed(self, images: Images, backend: _Backend[Any, Images, Any]) -> Images:
        """Mask and pre-correct weighted images (§6.8)."""
        if CircleCrop.SLICE in self.settings.circle_crop:
            images = backend.circle_crop(images)
        return images if self._precorrection is None else backend.multiply(images, self._precorrection)

    def _ctf(self, index: int, tilts: Tilts) -> CtfTerms:
        series, microscope = self.plan.series.tilts, self.plan.series.microscope
        offset = self.plan.defocus_offset_angstrom[index, tilts]
        defocus = np.stack(
            [series.defocus_u_angstrom[tilts] + offset, series.defocus_v_angstrom[tilts] + offset,
             series.astigmatism_deg[tilts]],
            axis=-1,
        )  # fmt: skip
        return ctf_terms(
            defocus,
            series.phase_shift_deg[tilts],
            series.scale[tilts],
            series.b_factor_a2[tilts],
            (microscope.voltage_kv, microscope.spherical_aberration_mm, microscope.amplitude_contrast),
        )

    def _filters_of(self, index: int) -> TiltFilters:
        return self._filters[int(self.particles.optics_group[self.plan.particles[index]])]

    def _not_finite(self, index: int) -> InputError:
        """Find the pixel that spoils a particle."""
        size, tomogram = self.settings.patch_size, self.plan.series
        for tilt in np.flatnonzero(self.plan.visible[index]):
            image = whole_image(self._images, int(tilt))
            x, y = patch_corners(self.plan.image_positions_px[index, tilt], size)
            patch = image[max(y, 0) : y + size, max(x, 0) : x + size]
            if not np.isfinite(patch).all():
                row, column = np.argwhere(~np.isfinite(patch))[0]
                return InputError(
                    f"particle {self._name(index)}: tilt {tilt + 1} of tomogram {tomogram.name} ({tomogram.source}) "
                    f"has a pixel {patch[row, column]} at x {max(x, 0) + column}, y {max(y, 0) + row} (from 0); mend "
                    "the image or leave the tilt out"
                )
        return InputError(f"particle {self._name(index)}: its result is not finite; check CTF and dose of its tilts")

    def _name(self, index: int) -> str:
        return str(self.particles.names[self.plan.particles[index]])


def new_backend(settings: ExtractionSettings, name: str = DEFAULT) -> AnyBackend:
    """Make a backend for one thread."""
    return get_backend(name)(box_geometry(settings))
