"""Export particles as stacks of plain images with a flat table: for heterogeneity analysis and machine learning."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from subtomo.errors import InputError
from subtomo.extraction.plan import plan_extraction
from subtomo.extraction.tilt_images import tilt_image_rows
from subtomo.io.atomic import atomic_write
from subtomo.io.relion import read_particles, read_tomograms
from subtomo.io.relion.flat import ImageSizes, Style, write_flat
from subtomo.jobs.extract import ExtractionJob, run_job
from subtomo.jobs.progress import ProgressListener, Silent
from subtomo.model.account import ExtractionSummary
from subtomo.model.plan import ExtractionPlan
from subtomo.model.rows import take_rows
from subtomo.model.tilt_images import TiltImageRows
from subtomo.output.layout import OutputLayout
from subtomo.output.particle_files import Role, suffix_of

TABLE, CTF_PICKLE, ARRAYS = "tilt_images.star", "ctf.pkl", "tilt_images.npz"


@dataclass(frozen=True)
class ExportedStacks:
    """What was exported."""

    folder: str
    n_images: int
    n_particles: int
    table: str
    """The flat table."""
    ctf_file: str
    arrays_file: str
    summary: ExtractionSummary


def export_stacks(
    job: ExtractionJob, style: Style = "cryodrgn", progress: ProgressListener | None = None
) -> ExportedStacks:
    """Extract plain images, and write what is known of each.

    Args:
        job: An extraction with the settings of `extraction.tilt_images.plain_image_settings`.
        style: Of the flat table; see `io.relion.flat.write_flat`.
        progress: Hears of particles.

    Raises:
        InputError: Input is missing, damaged or inconsistent; or no particle could be made.
        SettingsError: Settings make no sense.
    """
    summary = run_job(job, progress or Silent())
    if not summary.n_extracted:
        raise InputError(f"{job.output_dir}: no particle was extracted; its extraction_summary.json says why")
    files = summary.inputs
    assert files.tomograms is not None
    assert files.particles is not None
    tomograms = read_tomograms(files.tomograms)
    particles = read_particles(files.particles, tomograms, trajectories=files.trajectories)
    plan = plan_extraction(tomograms, particles, summary.settings)
    failed = {failure.particle for failure in summary.failures}
    images = tilt_image_rows(plan)
    images = take_rows(images, np.array([name not in failed for name in images.name], bool))
    sizes = ImageSizes(summary.settings.crop, plan.series[0].series.pixel_size_angstrom * summary.settings.binning)
    folder = summary.output_dir
    write_flat(f"{folder}{TABLE}", images, list(_image_names(plan, images, folder)), sizes, style)
    _write_ctf(f"{folder}{CTF_PICKLE}", images, sizes)
    _write_arrays(f"{folder}{ARRAYS}", images, sizes)
    n_particles = len(set(images.particle.tolist()))
    return ExportedStacks(
        folder, len(images.name), n_particles, f"{folder}{TABLE}", f"{folder}{CTF_PICKLE}", f"{folder}{ARRAYS}", summary
    )


def _image_names(plan: ExtractionPlan, images: TiltImageRows, folder: str) -> Iterable[str]:
    layout = OutputLayout.of(plan, folder)
    suffix = suffix_of(Role.IMAGE, plan.settings.output)
    for tomogram, name, section in zip(images.tomogram, images.name, images.section, strict=True):
        yield f"{section + 1:06d}@{layout.root(tomogram, name)}{suffix}"


def _write_ctf(path: str, images: TiltImageRows, sizes: ImageSizes) -> None:
    """Write the CTF as cryoDRGN and RECOVAR keep it: a row of nine numbers per image."""
    n = len(images.name)
    shared = np.broadcast_to([sizes.size, sizes.pixel_size_angstrom], (n, 2))
    parts = (shared, images.defocus, images.microscope, images.phase_shift_deg[:, None])
    with atomic_write(path) as stream:
        stream.write(pickle.dumps(np.concatenate(parts, axis=1).astype(np.float32)))


def _write_arrays(path: str, images: TiltImageRows, sizes: ImageSizes) -> None:
    """Write everything as named arrays, without the rounding of a table."""
    arrays = {name: values.astype(str) if values.dtype == object else values for name, values in vars(images).items()}
    with atomic_write(path) as stream:
        np.savez(stream, pixel_size_angstrom=sizes.pixel_size_angstrom, **arrays)
