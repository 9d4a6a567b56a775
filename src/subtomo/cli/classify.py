"""``subtomo classify``: classes of particles, and false picks, told apart in their poses."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from subtomo.cli.arguments import command_line
from subtomo.cli.classify_options import (
    GROUPS,
    ClassifyComputingOptions,
    ClassifyInputOptions,
    ClassifyOptions,
    ClassifyOutputOptions,
    ClassifyPoseOptions,
)
from subtomo.cli.messages import tell, warn
from subtomo.cli.refine import tilt_extraction
from subtomo.cli.refine_options import RefineTiltOptions
from subtomo.cli.workers import prints_script, workers
from subtomo.errors import SettingsError

if TYPE_CHECKING:
    from subtomo.classification.aligning import AlignedPoses
    from subtomo.classification.holdout import HeldOut
    from subtomo.classification.iteration import Iteration
    from subtomo.jobs.classify import ClassificationResult

__all__ = ["GROUPS", "classify"]

_LEFT_OUT_SHOWN = 3
_MOST_CLASSES = 200


def classify(
    place: Annotated[
        str | None, Parameter(help="Output folder of a refinement or an extraction, or a STAR file of particles.")
    ] = None,
    /,
    *,
    output: ClassifyOutputOptions,
    files: ClassifyInputOptions = ClassifyInputOptions(),
    tilts: RefineTiltOptions = RefineTiltOptions(),
    classification: ClassifyOptions = ClassifyOptions(),
    poses: ClassifyPoseOptions = ClassifyPoseOptions(),
    computing: ClassifyComputingOptions | None = None,
) -> int:
    """Sort particles into classes on the exact cost, in their poses or with --align, for RELION to go on from.

    With --b particles are built from the tilt images, without any particle file; else those of an extraction are read.
    """
    from subtomo.classification.settings import ClassificationSettings
    from subtomo.cli.progress import listener
    from subtomo.io.relion import OptimisationSet
    from subtomo.jobs.classify import run_classification
    from subtomo.jobs.classify_page import draw_classification
    from subtomo.jobs.classify_prepare import ClassificationJob

    if poses.aligns and poses.skips_alignment:
        raise SettingsError(
            "poses can be refined (aligns) or stay as they are (skips_alignment), but not both; give one of them",
            field=("aligns", "skips_alignment"),
        )
    numbers = _numbers(classification.classes)
    settings = ClassificationSettings(
        classes=numbers[0],
        iterations=classification.iterations,
        tau2_fudge=classification.tau2_fudge,
        ini_high_angstrom=classification.ini_high_angstrom,
        highest_angstrom=classification.highest_angstrom,
        symmetry=classification.symmetry,
        particle_diameter_angstrom=classification.particle_diameter_angstrom,
        false_picks=classification.false_picks,
        starts=classification.starts,
        aligns=poses.aligns,
        align_rounds=poses.align_rounds,
        sigma_ang_deg=poses.sigma_ang_deg,
        sigma_rot_deg=poses.sigma_rot_deg,
        sigma_tilt_deg=poses.sigma_tilt_deg,
        sigma_psi_deg=poses.sigma_psi_deg,
        sigma_offset_angstrom=poses.sigma_offset_angstrom,
        seed=classification.seed,
    )
    computing = computing or ClassifyComputingOptions()
    if prints_script(computing.dask_option):
        return 0
    if not computing.memory_gb > 0:
        raise SettingsError(
            f"memory (memory_gb) is {computing.memory_gb:g} GB, but must be above zero", field="memory_gb"
        )
    job = ClassificationJob(
        output_dir=output.output_dir,
        settings=settings,
        numbers=numbers if len(numbers) > 1 else (),
        extraction=tilt_extraction(tilts),
        files=OptimisationSet(files.particles or None, files.tomograms or None, files.trajectories or None),
        optimisation_set_file=files.optimisation_set or None,
        place=place,
        reference_files=_file_names(files.reference or ()),
        mask_file=files.solvent_mask or None,
        focus_mask_file=files.focus_mask or None,
        memory_gb=computing.memory_gb,
        threads=computing.threads,
        resume=output.resume,
        command=("subtomo", *command_line.get()),
    )

    has_starts = settings.starts > 1 and numbers[-1] > 1 and not job.reference_files

    def print_iteration(start: int, found: Iteration) -> None:
        which = f"start {start + 1}, " if has_starts else ""
        shares = " ".join(f"{100 * share:.1f}" for share in found.shares)
        tell(f"{which}iteration {found.number:2d}  classes {shares} %  {100 * found.change:.1f} % changed")

    with workers(computing.dask, computing.dask_option, output.output_dir, warn) as executor:
        job = replace(job, executor=executor)
        result = run_classification(job, listener("turning"), print_iteration, _print_number, _print_alignment)
    draw_classification(result, job.command, warn)
    _print_account(result)
    return 0


def _numbers(words: str) -> tuple[int, ...]:
    """Read a number of classes, or several: 3, 1-6."""
    match = re.fullmatch(r"\s*(\d{1,3})(?:\s*-\s*(\d{1,3}))?\s*", words)
    if match is None:
        raise SettingsError(
            f"number of classes (classes) is {words!r}, but must be a whole number, or two with a dash such as 1-6",
            field="classes",
        )
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1 <= first <= last <= _MOST_CLASSES:
        raise SettingsError(
            f"number of classes (classes) is {words}, but must be 1 to {_MOST_CLASSES}, the smaller one first",
            field="classes",
        )
    return tuple(range(first, last + 1))


def _file_names(words: Sequence[str]) -> tuple[str, ...]:
    """Take words as names of files, or as several with commas between where there is no such file."""
    found = [[word] if os.path.exists(word) else word.split(",") for word in words]
    return tuple(name for names in found for name in names if name)


def _print_number(found: HeldOut) -> None:
    """Tell how well a number of classes predicts."""
    tell(f"{found.classes} class(es): log-likelihood of a held-out particle {found.mean:.2f}")


def _print_alignment(number: int, found: AlignedPoses) -> None:
    """Tell how far a round of alignment went."""
    tell(f"alignment {number}: poses changed by {found.turn_deg:.2f}° and {found.move_angstrom:.2f} Å")


def _print_account(result: ClassificationResult) -> None:
    """Tell on stdout which classes there are, and where to go on."""
    from subtomo.cli.next_step import tell_next
    from subtomo.jobs.classify_page import class_names

    last, folder = result.last, result.folder
    assigned = last.assigned
    tell(
        f"{len(assigned)} particles classified in {result.seconds:.0f} s, {last.number} iterations, compared up to "
        f"{result.grid.resolution_of(last.last_shell):.1f} Å"
    )
    for number, name in enumerate(class_names(result.settings)):
        members = assigned == number
        sure = float((last.probability[members, number] > 0.9).mean()) if members.any() else 0.0
        tell(f"  {name:<24} {int(members.sum()):6d} particles, {100 * sure:.0f} % of them with more than 0.9")
    if result.left_out:
        tell(f"  {len(result.left_out)} left out: {'; '.join(result.left_out[:_LEFT_OUT_SHOWN])}")
    tell(
        f"classes        {result.data_file}, {folder}optimisation_set.star\n"
        f"class 1        {folder}class1_optimisation_set.star\n"
        f"maps           {result.classes[0].map_name} …, to look at: {folder}report.html\n"
    )
    chosen = (
        ",".join(str(number + 1) for number in range(result.settings.classes)) if result.settings.false_picks else "1"
    )
    tell_next("subtomo", "select", folder, "--class", chosen, "--o", "Select/")
