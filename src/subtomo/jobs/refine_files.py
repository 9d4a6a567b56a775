"""The files of a refinement: RELION's, round by round, and the state from which it goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.averaging.average import HALVES, AverageSums
from subtomo.backends.alignment import Pose
from subtomo.errors import InputError
from subtomo.io.atomic import atomic_write
from subtomo.io.mrc_write import write_mrc
from subtomo.io.relion import output_nodes
from subtomo.io.relion.refined import ModelFacts, RefinedParticles, write_model, write_refined_particles
from subtomo.jobs.refine_sources import RefinementSource
from subtomo.model.particles import ParticleSet
from subtomo.physics.orientation import matrix_to_euler
from subtomo.refinement.poses import Poses
from subtomo.refinement.references import half_maps
from subtomo.refinement.rounds import Round

Float = NDArray[np.float64]

STATE_FORMAT = 1


@dataclass(frozen=True, eq=False)
class RefinementFiles:
    """Where a refinement writes.

    Args:
        folder: Ends in a slash.
        particles: The set.
        source: Its particles that are refined.
        voxel_angstrom: Of the maps.
        key: Identifies particles and settings; another refinement's state is not gone on with.
    """

    folder: str
    particles: ParticleSet
    source: RefinementSource
    voxel_angstrom: float
    key: str

    def state_of(self, number: int) -> Path:
        """Name the file with the state after a round."""
        return Path(f"{self.folder}run_it{number:03d}_round.npz")

    def write_round(self, found: Round, fits_scale: bool) -> None:
        """Write half maps, poses and model of a round, then its state; the state of the round before the last goes."""
        prefix = f"{self.folder}run_it{found.number:03d}"
        for half in HALVES:
            name = f"{prefix}_half{half}_class001_unfil.mrc"
            write_mrc(name, found.halves.maps[half], pixel_size_angstrom=self.voxel_angstrom)
        self.write_particles(f"{prefix}_data.star", found.poses, fits_scale=fits_scale)
        self.write_model(f"{prefix}_model.star", found, (f"{prefix}_half1_class001_unfil.mrc",))
        with atomic_write(self.state_of(found.number), durable=True) as stream:
            stream.write(_packed(found, self.key))
        self.state_of(found.number - 2).unlink(missing_ok=True)

    def write_particles(self, path: str, poses: Poses, *, fits_scale: bool) -> None:
        """Write the particle set with poses."""
        source = self.source
        kept = np.flatnonzero(poses.is_usable)
        kept = kept[np.argsort(source.indices[kept])]
        found = refined_particles(source, kept, poses.take(kept), fits_scale=fits_scale)
        write_refined_particles(path, self.particles, found)

    def write_model(self, path: str, found: Round, maps: tuple[str, ...]) -> None:
        """Write resolution curves and noise."""
        angle, place = found.poses.errors(self.source.voxel_angstrom)
        usable = found.poses.is_usable
        finite = np.where(np.isfinite(found.variance), found.variance, np.nan)
        noise = np.nan_to_num(np.nanmean(finite, axis=0)) if np.isfinite(finite).any() else finite[0] * 0
        facts = ModelFacts(
            maps, found.resolution_angstrom, found.last_shell, float(angle[usable].mean()), float(place[usable].mean())
        )
        write_model(path, found.halves.curves, noise, facts)

    def last_round(self, seed: int) -> Round | None:
        """Read the state of the last round; None if there is none.

        Raises:
            InputError: It is damaged, or another refinement's.
        """
        states = sorted(Path(self.folder or ".").glob("run_it[0-9][0-9][0-9]_round.npz"))
        return _unpacked(states[-1], self.key, self.voxel_angstrom, seed) if states else None

    def remove_rounds(self) -> None:
        """Remove the files of an earlier refinement, so that files of two never stand side by side."""
        for path in Path(self.folder).glob("run_it[0-9][0-9][0-9]_*"):
            path.unlink()
        for name in ("run_data.star", "run_model.star", "run_class001.mrc", "optimisation_set.star", "report.html"):
            Path(self.folder, name).unlink(missing_ok=True)


def refined_particles(
    source: RefinementSource, rows: NDArray[np.int64], poses: Poses, *, fits_scale: bool = False
) -> RefinedParticles:
    """Put poses into the terms of a particle set.

    Args:
        source: Where the particles come from.
        rows: (n,) which of them.
        poses: Of these.
        fits_scale: Whether grey scales were fitted.
    """
    voxel = source.voxel_angstrom[rows]
    origin = source.base_origin_angstrom[rows] - voxel[:, None] * poses.shift_px
    angle, place = poses.errors(voxel)
    return RefinedParticles(
        source.indices[rows], matrix_to_euler(poses.rotation), origin, poses.half, -0.5 * poses.value, angle, place,
        poses.scale if fits_scale else None,
    )  # fmt: skip


def refinement_key(settings: Any, source: RefinementSource, particles: ParticleSet, inputs: Mapping[str, Any]) -> str:
    """Identify a refinement by all that decides its numbers."""
    digest = sha256(json.dumps({"format": STATE_FORMAT, **_plain(settings), **inputs}, sort_keys=True).encode())
    chosen = source.indices
    for values in (particles.coordinates, particles.angles_deg, particles.origin_angstrom):
        digest.update(np.ascontiguousarray(values[chosen], np.float64).tobytes())
    digest.update("\n".join(particles.names[chosen].tolist()).encode())
    return digest.hexdigest()


def _plain(settings: Any) -> dict[str, str]:
    # the number of rounds may be raised to go on
    return {field.name: str(getattr(settings, field.name)) for field in fields(settings) if field.name != "rounds"}


def _packed(found: Round, key: str) -> bytes:
    changes = [found.turn_deg, found.move_angstrom, found.seconds, found.best_angstrom, found.waited]
    arrays: dict[str, Any] = {
        "key": key, "number": found.number, "mask": found.mask, "variance": found.variance,
        "last_shell": found.last_shell, "changes": changes,
        "problems": json.dumps({str(index): text for index, text in found.problems.items()}),
    }  # fmt: skip
    arrays |= {f"pose_{field.name}": getattr(found.poses, field.name) for field in fields(Poses)}
    for half in HALVES:
        sums = found.halves.sums[half]
        change = found.halves.changes[half]
        arrays |= {f"frame{half}": change.rotation, f"frame_shift{half}": change.shift_px}
        arrays |= {f"spectrum{half}": sums.spectrum, f"ctf2_{half}": sums.ctf2, f"count{half}": sums.count}
    buffer = BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def list_results(folder: str) -> None:
    """List what a refinement leaves for RELION's pipeline, so that other jobs can take it."""
    halves = {f"run_half{half}_class001_unfil.mrc": output_nodes.HALF_MAP for half in HALVES}
    kinds = {
        "run_data.star": output_nodes.PARTICLES,
        "optimisation_set.star": output_nodes.OPTIMISATION_SET,
        "run_class001.mrc": output_nodes.MAP,
        **halves,
        "mask.mrc": output_nodes.MASK,
    }
    output_nodes.write_output_nodes(folder, kinds)


def _unpacked(path: Path, key: str, voxel_angstrom: float, seed: int) -> Round:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if str(arrays["key"]) != key:
                raise InputError(
                    f"{path}: belongs to a refinement with other particles or settings; give the same again, choose "
                    "another output folder, or leave resume out"
                )
            poses = Poses(**{field.name: arrays[f"pose_{field.name}"] for field in fields(Poses)})
            sums = {}
            for half in HALVES:
                sums[half] = AverageSums(len(arrays[f"ctf2_{half}"]))
                sums[half].spectrum, sums[half].ctf2 = arrays[f"spectrum{half}"], arrays[f"ctf2_{half}"]
                sums[half].count = int(arrays[f"count{half}"])
            mask, (turn, move, seconds, best, waited) = arrays["mask"], arrays["changes"].tolist()
            problems = {int(index): text for index, text in json.loads(str(arrays["problems"])).items()}
            changes = {half: Pose(arrays[f"frame{half}"], arrays[f"frame_shift{half}"]) for half in HALVES}
            compared = half_maps(sums, mask, voxel_angstrom, seed, changes)
            return Round(
                int(arrays["number"]), poses, compared, mask, arrays["variance"], int(arrays["last_shell"]), turn, move,
                seconds, best, int(waited), problems,
            )  # fmt: skip
    except InputError:
        raise
    except Exception as error:
        name = os.fspath(path)
        raise InputError(
            f"{name}: cannot be read ({type(error).__name__}); remove it to go on from the round before, or leave "
            "resume out"
        ) from error
