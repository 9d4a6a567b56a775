"""Write plain tilt images with a row each, from Python."""

from __future__ import annotations

import os

from subtomo.extraction.tilt_images import plain_image_settings
from subtomo.io.relion.flat import Style
from subtomo.jobs.cores import available_cores
from subtomo.jobs.export_stacks import ExportedStacks
from subtomo.jobs.export_stacks import export_stacks as run
from subtomo.jobs.extract import ExtractionJob
from subtomo.verbs.places import Particles, Tomograms, Where, particles_file, tomograms_file


def export_stacks(
    tomograms: Tomograms,
    particles: Particles,
    output_dir: Where,
    *,
    box_size: int,
    crop_size: int | None = None,
    binning: float = 1.0,
    style: Style = "cryodrgn",
    max_dose_e_per_a2: float | None = None,
    min_tilts: int = 1,
    threads: int | None = None,
) -> ExportedStacks:
    """Write the tilt images of every particle as they are, and a flat table with pose, defocus and dose of each.

    Args:
        tomograms: The tomogram set, by its file or read from it.
        particles: The particle set, by its file, the folder of a run, its account, or read from a file.
        output_dir: Folder to write to; made if it does not exist.
        box_size: Of the squares that are cut out, binned pixels, even.
        crop_size: Of the images, binned pixels, even; by default the box size.
        binning: Against the tilt images.
        style: Of the table: ``cryodrgn``, ``tomodrgn`` or ``relion``.
        max_dose_e_per_a2: Leave out tilts with more dose before them, e/Å².
        min_tilts: Leave out particles that are visible in fewer tilts.
        threads: Particles at a time; by default one per available core.

    Raises:
        InputError: Input is missing, damaged or inconsistent; or no particle could be made.
        SettingsError: Settings make no sense.
    """
    settings = plain_image_settings(
        box_size, crop_size, binning, max_dose_e_per_a2=max_dose_e_per_a2, min_tilts=min_tilts
    )
    job = ExtractionJob(
        output_dir=os.fspath(output_dir),
        settings=settings,
        particles_file=particles_file(particles),
        tomograms_file=tomograms_file(tomograms),
        threads=threads or available_cores(),
    )
    return run(job, style)
