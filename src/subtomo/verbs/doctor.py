"""Examine a project from Python."""

from __future__ import annotations

import os
from types import NoneType

from subtomo.doctor.case import Request
from subtomo.doctor.examine import examine
from subtomo.doctor.findings import Diagnosis
from subtomo.errors import SettingsError
from subtomo.io.relion import OptimisationSet
from subtomo.jobs.cores import available_cores
from subtomo.model.choices import check_kind, whole_number_of
from subtomo.model.settings import ExtractionSettings
from subtomo.verbs.places import Particles, Tomograms, Where, named, particles_file, tomograms_file
from subtomo.verbs.rooms import shares_name_with_room


@shares_name_with_room
def doctor(
    particles: Particles | None = None,
    tomograms: Tomograms | None = None,
    settings: ExtractionSettings | None = None,
    *,
    optimisation_set: Where | None = None,
    trajectories: Where | None = None,
    project: Where | None = None,
    output_dir: Where | None = None,
    image_size: tuple[int, int] | None = None,
    headers_only: bool = False,
    hand_test: bool = False,
    verify: bool = False,
) -> Diagnosis:
    """Examine a project before a long job: files, geometry, units, names, visible tilts, disk, time, hand.

    Args:
        particles: The particle set, by its file, its folder, or read from it.
        tomograms: The tomogram set, by its file, or read from it.
        settings: Of the extraction to come; without them visibility, disk and time stay open.
        optimisation_set: A file that names those above.
        trajectories: The file of the particles' motion.
        project: The folder that names of files are relative to; None for the current one.
        output_dir: Folder that the extraction is to write to.
        image_size: Width and height, pixels, of images that are not here: only metadata are examined.
        headers_only: Read no pixel.
        hand_test: Average a sample of particles with CTFs of either hand, and tell which the data favour.
        verify: Read the files of extracted particles, and name those that were altered since.

    Raises:
        SettingsError: An argument is of the wrong type.

    Returns:
        The findings, worst first where they are shown; ``is_clean`` tells whether there is neither error nor warning.
    """
    check_kind("settings", settings, ExtractionSettings, NoneType)
    check_kind("image_size", image_size, tuple, list, NoneType)
    request = Request(
        files=OptimisationSet(
            None if particles is None else _wherever(particles_file(particles), particles),
            None if tomograms is None else _wherever(tomograms_file(tomograms), tomograms),
            named(trajectories),
        ),
        optimisation_set_file=named(optimisation_set),
        project=project,
        settings=settings,
        output_dir=named(output_dir),
        threads=available_cores(),
        image_size=None if image_size is None else _sides(image_size),
        headers_only=headers_only,
        hand_test=hand_test,
        verify=verify,
    )
    return examine(request)


def _wherever(name: str, given: object) -> str:
    """Give the path of a file so that the project's folder does not matter where a noun tells its file."""
    return name if isinstance(given, str | os.PathLike) else os.path.abspath(name)


def _sides(image_size: tuple[int, int]) -> tuple[int, int]:
    """Check width and height."""
    if len(image_size) != 2:
        raise SettingsError(
            f"image size (image_size) is {image_size!r}, but must be width and height", field="image_size"
        )
    width, height = (whole_number_of("image_size", side) for side in image_size)
    return width, height
