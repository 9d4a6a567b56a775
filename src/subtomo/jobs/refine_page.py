"""Draw a refinement: its page, and the pictures beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from subtomo.jobs.refine import RefinementResult
from subtomo.physics.orientation import euler_to_matrix
from subtomo.refinement.settings import RefinementSettings
from subtomo.report.refinement import RefinedFacts, RefinementFacts, write_refinement_page


def draw_refinement(result: RefinementResult, command: tuple[str, ...], warn: Callable[[str], None]) -> None:
    """Draw the page; whatever goes wrong is but a warning, for the results are whole."""
    try:
        write_refinement_page(_facts(result, command))
    except Exception as error:
        warn(f"the report could not be made ({type(error).__name__}: {error}); the results are whole")


def _facts(result: RefinementResult, command: tuple[str, ...]) -> RefinementFacts:
    """Gather what the page shows."""
    last, source, particles = result.rounds[-1], result.source, result.particles
    kept = np.flatnonzero(last.poses.is_usable)
    poses, chosen = last.poses.take(kept), source.indices[kept]
    angle, place = poses.errors(source.voxel_angstrom[kept])
    start = result.priors.rotation[kept]
    turns = np.einsum("nij,nij->n", start, poses.rotation)
    moved = poses.shift_px - source.starting_shift_px[kept]
    frame = euler_to_matrix(particles.subtomogram_angles_deg[chosen])
    refined = RefinedFacts(
        names=particles.names[chosen].tolist(),
        series=particles.tomogram_names[chosen].tolist(),
        half=poses.half,
        axes=(frame @ poses.rotation)[:, :, 2],
        turn_deg=np.degrees(np.arccos(np.clip((turns - 1.0) / 2.0, -1.0, 1.0))),
        move_angstrom=np.linalg.norm(moved, axis=1) * source.voxel_angstrom[kept],
        angle_error_deg=angle,
        position_error_angstrom=place,
        coordinates=particles.coordinates[chosen],
    )
    rounds = [
        (one.number, one.resolution_angstrom, one.turn_deg, one.move_angstrom, one.seconds) for one in result.rounds
    ]
    return RefinementFacts(
        folder=Path(result.folder or "."),
        title=result.folder.rstrip("/") or "refinement",
        rounds=rounds,
        correlations={one.number: one.halves.curves.corrected for one in result.rounds},
        maps=result.maps,
        curves=last.halves.curves,
        guinier=result.guinier,
        particles=refined,
        left_out=result.left_out,
        settings=_setting_rows(result.priors.settings),
        command=command,
        notes=(),
        seconds=result.seconds,
    )


def _setting_rows(settings: RefinementSettings) -> list[tuple[str, str]]:
    """Put the settings into words."""

    def sigma(value: float | None, unit: str) -> str:
        return "no prior" if value is None else f"{value:g} {unit}"

    return [
        ("Search", settings.search.value),
        ("Symmetry", settings.symmetry.upper()),
        ("Prior of rotations, σ", sigma(settings.sigma_ang_deg, "°")),
        ("Priors of rot, tilt, psi, σ", ", ".join(
            sigma(value, "°") for value in (settings.sigma_rot_deg, settings.sigma_tilt_deg, settings.sigma_psi_deg))),
        ("Prior of positions, σ", f"{settings.sigma_offset_angstrom:g} Å"),
        ("Grey scale of particles", "fitted" if settings.fits_scale else "one for all"),
        ("Random seed", f"{settings.seed}"),
    ]  # fmt: skip
