"""The files of a classification: RELION's, and the state from which it goes on."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.classification.grid import MapGrid
from subtomo.classification.iteration import Iteration
from subtomo.classification.settings import ClassificationSettings
from subtomo.errors import InputError
from subtomo.io.atomic import atomic_write
from subtomo.io.mrc_write import write_mrc
from subtomo.io.relion import OptimisationSet, write_optimisation_set
from subtomo.io.relion.classified import (
    ClassFacts,
    ClassifiedParticles,
    write_class_model,
    write_classified_particles,
)
from subtomo.jobs.refine_files import refined_particles
from subtomo.jobs.refine_sources import RefinementSource
from subtomo.model.particles import ParticleSet
from subtomo.physics.fsc import first_shell_below
from subtomo.refinement.poses import Poses

Float = NDArray[np.float64]
Int = NDArray[np.int64]

STATE_FORMAT = 2
_STATE = "classification_state.npz"
_BY_CLASS = ("dropped", "reseeded")
_MAY_CHANGE = ("iterations", "align_rounds")


@dataclass(frozen=True, eq=False)
class State:
    """How far a classification has come."""

    start: int
    """From 0."""
    current: Iteration
    """The last iteration of this start."""
    kept: Iteration | None
    """The last one of the best start before it."""
    changes: Float
    """(n_rounds, 2) mean changes of poses in the rounds of alignment before, degrees and Å."""
    poses: Poses | None = None
    """Of the particles that are classified, after these rounds; None if there were none."""


def _packed(prefix: str, found: Iteration) -> dict[str, NDArray[Any]]:
    arrays = {one.name: np.asarray(getattr(found, one.name)) for one in fields(Iteration) if one.name not in _BY_CLASS}
    for name in _BY_CLASS:
        arrays[name] = np.array(json.dumps({str(number): at for number, at in getattr(found, name).items()}))
    return {f"{prefix}_{name}": values for name, values in arrays.items()}


def _unpacked(prefix: str, arrays: dict[str, NDArray[Any]]) -> Iteration:
    found: dict[str, Any] = {one.name: arrays[f"{prefix}_{one.name}"] for one in fields(Iteration)}
    found |= {name: int(found[name]) for name in ("number", "last_shell")}
    found |= {name: float(found[name]) for name in ("change", "seconds")}
    for name in _BY_CLASS:
        found[name] = {int(number): at for number, at in json.loads(str(found[name])).items()}
    return Iteration(**found)


@dataclass(frozen=True, eq=False)
class ClassificationFiles:
    """Where a classification writes.

    Args:
        folder: Ends in a slash, or is empty.
        particles: The set.
        source: Its particles that are classified.
        rows: (n,) which of these have terms.
        grid: Of the maps.
        key: Identifies particles and settings; another classification's state is not gone on with.
    """

    folder: str
    particles: ParticleSet
    source: RefinementSource
    rows: Int
    grid: MapGrid
    key: str

    def write_state(self, state: State) -> None:
        """Write what a later run goes on from."""
        arrays = {"key": np.array(self.key), "start": np.array(state.start)} | _packed("current", state.current)
        if state.kept is not None:
            arrays |= _packed("kept", state.kept)
        arrays["changes"] = state.changes
        if state.poses is not None:
            arrays |= {f"pose_{one.name}": getattr(state.poses, one.name) for one in fields(Poses)}
        buffer = BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        with atomic_write(Path(f"{self.folder}{_STATE}"), durable=True) as stream:
            stream.write(buffer.getvalue())

    def last_state(self) -> State | None:
        """Read what an earlier run left; None if there is nothing.

        Raises:
            InputError: It is damaged, or another classification's.
        """
        path = Path(f"{self.folder}{_STATE}")
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as arrays:
                found = {name: arrays[name] for name in arrays.files}
            kept = _unpacked("kept", found) if "kept_number" in found else None
            poses = (
                Poses(**{one.name: found[f"pose_{one.name}"] for one in fields(Poses)})
                if "pose_half" in found
                else None
            )
            state = State(int(found["start"]), _unpacked("current", found), kept, found["changes"], poses)
        except Exception as error:
            raise InputError(
                f"{os.fspath(path)}: cannot be read ({type(error).__name__}); remove it, or leave resume out"
            ) from error
        if str(found["key"]) != self.key:
            raise InputError(
                f"{os.fspath(path)}: belongs to a classification with other particles or settings; give the same "
                "again, choose another output folder, or leave resume out"
            )
        return state

    def remove_older(self, *, and_state: bool) -> None:
        """Remove the files of an earlier classification, so that files of two never stand side by side."""
        folder = Path(self.folder or ".")
        for pattern in ("run_it[0-9][0-9][0-9]_*", "class[0-9]*_data.star", "class[0-9]*_optimisation_set.star"):
            for path in folder.glob(pattern):
                path.unlink()
        for name in (*([_STATE] if and_state else []), "optimisation_set.star", "report.html"):
            (folder / name).unlink(missing_ok=True)

    def write_results(
        self, found: Iteration, settings: ClassificationSettings, files: OptimisationSet, poses: Poses | None = None
    ) -> tuple[str, list[ClassFacts]]:
        """Write classes of particles, maps, model and optimisation sets.

        Args:
            found: The last iteration.
            settings: Of the classification.
            files: The other files of the optimisation set.
            poses: Of the particles that were classified, if they are new.

        Returns:
            The name of the particle set, and what is known of each class.
        """
        prefix = f"{self.folder}run_it{settings.iterations:03d}"
        facts = []
        for number, density in enumerate(found.maps):
            name = f"{prefix}_class{number + 1:03d}.mrc"
            write_mrc(name, self.grid.refined(density), pixel_size_angstrom=self.grid.voxel_angstrom)
            curve = found.correlation[number]
            shell = min(first_shell_below(curve, 0.143), found.last_shell + 1) - 1
            is_map = bool(np.any(density)) and shell > 0
            reached = self.grid.resolution_of(shell) if is_map else float("inf")
            facts.append(ClassFacts(name, float(found.shares[number]), reached, curve))
        write_class_model(
            f"{prefix}_model.star", facts, self.grid.voxels.size, self.grid.voxel_angstrom, found.last_shell,
            found.total_log_likelihood,
        )  # fmt: skip
        order = np.argsort(self.source.indices[self.rows])
        self._write_particles(f"{prefix}_data.star", found, order, poses)
        for number in range(settings.total):
            chosen = order[found.assigned[order] == number]
            name = f"{self.folder}class{number + 1}"
            if len(chosen):
                self._write_particles(f"{name}_data.star", found, chosen, poses)
                of_class = files.overridden_by(OptimisationSet(particles=f"{name}_data.star"))
                write_optimisation_set(f"{name}_optimisation_set.star", of_class)
        return f"{prefix}_data.star", facts

    def _write_particles(self, path: str, found: Iteration, chosen: Int, poses: Poses | None) -> None:
        classes = found.assigned[chosen]
        rows = self.rows[chosen]
        write_classified_particles(
            path,
            self.particles,
            ClassifiedParticles(
                self.source.indices[rows], classes + 1, found.probability[chosen, classes],
                found.log_likelihood[chosen],
                None if poses is None else refined_particles(self.source, rows, poses.take(chosen)),
            ),
        )  # fmt: skip


def classification_key(
    settings: ClassificationSettings, source: RefinementSource, particles: ParticleSet, inputs: dict[str, str]
) -> str:
    """Identify a classification by all that decides its numbers."""
    plain = {one.name: str(getattr(settings, one.name)) for one in fields(settings) if one.name not in _MAY_CHANGE}
    digest = sha256(json.dumps({"format": STATE_FORMAT, **plain, **inputs}, sort_keys=True).encode())
    for values in (particles.coordinates, particles.angles_deg, particles.origin_angstrom):
        digest.update(np.ascontiguousarray(values[source.indices], np.float64).tobytes())
    digest.update("\n".join(particles.names[source.indices].tolist()).encode())
    return digest.hexdigest()
