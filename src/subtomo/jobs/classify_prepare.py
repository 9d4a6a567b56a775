"""From a job to particles in one frame, masks, and the first iteration of a classification."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from subtomo.alignment.voxels import voxels_of
from subtomo.classification.aligning import ChosenTerms, PoseAlignment
from subtomo.classification.confounded import Shared, direction_bins, quantile_bins, shared
from subtomo.classification.consensus import consensus_map, consensus_sums, grey_scale, soft_sphere, without_model
from subtomo.classification.framed import BYTES_PER_VOXEL, MARGIN, framed_terms
from subtomo.classification.grid import MapGrid
from subtomo.classification.iteration import Iteration
from subtomo.classification.rounds import Classification
from subtomo.classification.settings import ClassificationSettings
from subtomo.errors import InputError, SettingsError
from subtomo.io.relion import OptimisationSet
from subtomo.io.relion.volumes import read_prior_angles
from subtomo.jobs.batches import BatchExecutor
from subtomo.jobs.classify_elsewhere import AlignmentElsewhere, turned_elsewhere
from subtomo.jobs.classify_sources import defocus_angstrom, require_enough
from subtomo.jobs.progress import ProgressListener
from subtomo.jobs.refine_sources import Opened
from subtomo.jobs.travelling import TravellingParticles
from subtomo.model.settings import ExtractionSettings
from subtomo.physics.orientation import euler_to_matrix
from subtomo.refinement.poses import Poses, Priors
from subtomo.refinement.settings import RefinementSettings
from subtomo.refinement.store import TermStore

Float = NDArray[np.float64]
Int = NDArray[np.int64]

MEMORY_GB = 4.0
_CONTRAST_SIGNIFICANT = 5.0
_DIFFERENT_SCALE = 2.0


@dataclass(frozen=True)
class ClassificationJob:
    """What to classify from which files into which folder."""

    output_dir: str
    settings: ClassificationSettings = field(default_factory=ClassificationSettings)
    numbers: tuple[int, ...] = ()
    """Numbers of classes to compare by held-out particles; the best is then made. Empty for that of the settings."""
    extraction: ExtractionSettings | None = None
    """How particles are built from the tilt images; None to read what an extraction wrote."""
    files: OptimisationSet = field(default_factory=OptimisationSet)
    optimisation_set_file: str | None = None
    place: str | None = None
    """The folder of a run, or a STAR file, instead of naming files one by one."""
    reference_files: tuple[str, ...] = ()
    mask_file: str | None = None
    focus_mask_file: str | None = None
    memory_gb: float = MEMORY_GB
    """Of terms, at most."""
    threads: int | None = None
    """None for one per core."""
    resume: bool = False
    """Go on after the last iteration that an earlier run finished."""
    executor: BatchExecutor | None = None
    """Dask workers that turn and align particles; None for threads here."""
    command: tuple[str, ...] = ()
    """The command line, for the note."""


def check_job(job: ClassificationJob) -> None:
    """See that what is asked for makes sense.

    Raises:
        SettingsError: It does not.
    """
    settings = job.settings
    if job.numbers and job.reference_files:
        raise SettingsError(
            "numbers of classes are compared from random starts; leave references out, or give one number (classes)",
            field=("classes", "reference"),
        )
    if settings.aligns and job.focus_mask_file:
        raise SettingsError(
            "with a focus mask (focus_mask) poses stay as they are, for one part of a particle does not tell where the "
            "whole is; refine first, then classify without alignment (aligns)",
            field=("aligns", "focus_mask"),
        )
    if job.numbers and min(job.numbers) < 1:
        raise SettingsError("numbers of classes (classes) must be one or more", field="classes")
    if not job.numbers and settings.classes == 1 and not settings.false_picks:
        raise SettingsError(
            "one class (classes=1) leaves nothing to tell apart; ask for two or more, or for false picks to be told "
            "from particles (false_picks)",
            field=("classes", "false_picks"),
        )
    if job.reference_files and len(job.reference_files) != settings.classes:
        raise SettingsError(
            f"{len(job.reference_files)} references (reference) are given for {settings.classes} classes (classes); "
            "give one for each",
            field=("reference", "classes"),
        )


class Prepared(NamedTuple):
    """All that a classification works on."""

    classification: Classification
    rows: Int
    """(n,) which of the source's particles are classified."""
    problems: dict[int, str]
    """The others, and why."""
    alignment: PoseAlignment | None
    """None if poses stay as they are."""


def prepared(
    job: ClassificationJob, found: Opened, poses: Poses, masks: list[Float | None], threads: int,
    progress: ProgressListener,
) -> Prepared:  # fmt: skip
    """Turn all particles into one frame, and make the mask."""
    settings, source = job.settings, found.source
    voxel = float(np.median(source.voxel_angstrom))
    highest = settings.limit_angstrom(voxel)
    reach = MapGrid(voxels_of(source.size, source.size // 2 - 1 - MARGIN), voxel).shell_of(highest)
    grid = MapGrid(voxels_of(source.size, reach), voxel)
    needed = BYTES_PER_VOXEL * len(grid.voxels) * len(poses) / 1e9
    if needed > job.memory_gb:
        raise SettingsError(
            f"{len(poses)} particles take {needed:.1f} GB up to {grid.resolution_of(reach):.1f} Å, but may take "
            f"{job.memory_gb:g} GB (memory_gb); allow more, or compare at a lower resolution (highest_angstrom)",
            field=("memory_gb", "highest_angstrom"),
        )
    kept = job.memory_gb * 1e9 - 1e9 * needed if settings.aligns else 0.0
    store = TermStore(source.items, voxels_of(source.size, reach + MARGIN), kept)
    progress.start(len(poses))
    try:
        stretch = voxel / source.voxel_angstrom
        if job.executor is None:
            terms = framed_terms(store, grid.voxels, poses, stretch, threads, _advance(progress))
        else:
            there = TravellingParticles(source, job.executor)
            every = np.arange(len(poses))
            terms = turned_elsewhere(there, every, reach + MARGIN, reach, poses, stretch, _advance(progress))
    finally:
        progress.stop()
    rows = np.array([row for row in range(len(poses)) if row not in terms.problems], np.int64)
    require_enough(len(rows), settings.classes, found.particles.where)
    problems = terms.problems
    if problems:
        terms = terms.take(rows)
    half, series = poses.half[rows], source.series[rows]
    sums = consensus_sums(terms, half, grid, settings.symmetry, threads)
    solvent, focus = (
        None if mask is None else np.clip(grid.coarsened(mask) * _density(grid), 0.0, 1.0) for mask in masks
    )
    if solvent is None:
        solvent, _ = soft_sphere(sums, grid, settings.particle_diameter_angstrom, settings.mask_edge_px)
    if focus is not None:
        if not (focus * solvent).max() > 0.5:
            raise InputError(
                f"{job.focus_mask_file}: lies outside the mask of the particle; is it centred, and of the particles' "
                "frame?",
                field="focus_mask",
            )
        whole = consensus_map(sums, solvent, grid, settings.seed)
        terms = without_model(terms, grid.values(whole * (1.0 - focus), reach))
        solvent = focus * solvent
    made = Classification(terms, half, series, source.response, grid, solvent, settings, threads)
    return Prepared(made, rows, problems, _alignment(job, found, store, poses, rows, threads, progress))


def _alignment(
    job: ClassificationJob, found: Opened, store: TermStore, poses: Poses, rows: Int, threads: int,
    progress: ProgressListener,
) -> PoseAlignment | None:  # fmt: skip
    """Gather what poses are refined with; their priors are those that the particles bring, or where they begin."""
    settings = job.settings
    if not settings.aligns:
        return None
    particles, source, _ = found
    angles = np.deg2rad(read_prior_angles(particles)[source.indices[rows]])
    voxels = source.voxel_angstrom[rows]
    stretch = float(np.median(source.voxel_angstrom)) / voxels
    names = ("sigma_ang_deg", "sigma_rot_deg", "sigma_tilt_deg", "sigma_psi_deg", "sigma_offset_angstrom")
    widths = RefinementSettings(**{name: getattr(settings, name) for name in names})
    priors = Priors(poses.rotation[rows], angles, voxels, widths)
    terms, advance = ChosenTerms(store, rows), _advance(progress)
    if job.executor is None:
        return PoseAlignment(terms, priors, stretch, threads, advance)
    there = TravellingParticles(source, job.executor)
    return AlignmentElsewhere(terms, priors, stretch, threads, advance, there)


def _density(grid: MapGrid) -> float:
    """Give the factor from values of a map in orthonormal units to those of a mask, which stay what they are."""
    return float((grid.size / grid.voxels.size) ** 1.5)


def _advance(progress: ProgressListener) -> Callable[[int], None]:
    def advance(count: int) -> None:
        for _ in range(count):
            progress.advance("")

    return advance


def first_iteration(
    job: ClassificationJob, classification: Classification, references: list[Float], start: int,
    progress: ProgressListener,
) -> Iteration:  # fmt: skip
    """Begin at random, or with references on the particles' grey scale.

    Raises:
        InputError: References are on different scales.
    """
    if not references:
        return classification.random_start(start)
    grid, last = classification.grid, classification.first_shell
    masked, scales = [], []
    for path, density in zip(job.reference_files, references, strict=True):
        one = grid.coarsened(density) * classification.mask
        factor, significance = grey_scale(classification.terms, grid.values(one, last), last)
        if abs(significance) < _CONTRAST_SIGNIFICANT:
            progress.warn(
                f"{path}: the particles hardly resemble it ({significance:.1f} standard errors); is it the same "
                "molecule, in the same frame and on the same pixel size?"
            )
        if factor < 0:
            progress.warn(f"{path}: its contrast is inverted against the particles'; it is used with the opposite sign")
        masked.append(one)
        scales.append(factor)
    sizes = np.abs(scales)
    if _ratio(sizes) > _DIFFERENT_SCALE:
        raise InputError(
            f"{' and '.join(job.reference_files)}: their grey scales differ {_ratio(sizes):.1f} times, so brightness "
            "would decide instead of shape; bring them to one scale, for example that of one refinement",
            field="reference",
        )
    # one factor for all: how much mass a state has is part of what tells it
    common = float(np.sign(np.sum(scales)) * np.exp(np.log(np.maximum(sizes, 1e-30)).mean()))
    return classification.given(np.stack(masked) * common)


def _ratio(sizes: Float) -> float:
    return float(sizes.max() / max(sizes.min(), 1e-12))


def confounded_with(found: Opened, poses: Poses, rows: Int, last: Iteration) -> tuple[Shared, ...]:
    """See what classes tell of directions of view, tilt series and defocus."""
    particles, source, _ = found
    frame = euler_to_matrix(particles.subtomogram_angles_deg[source.indices[rows]])
    # the beam, along the tomogram's z axis, in the frame of the average
    beam = (frame @ poses.rotation)[:, 2, :]
    classes, series = last.assigned, source.series[rows]
    made = [shared("the direction of view", classes, direction_bins(beam))]
    if len(set(series.tolist())) > 1:
        made.append(shared("the tilt series", classes, series))
    defocus = defocus_angstrom(found)
    if defocus is not None and np.ptp(defocus[rows]) > 0:
        made.append(shared("the defocus", classes, quantile_bins(defocus[rows])))
    return tuple(made)
