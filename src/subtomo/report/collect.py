"""Collect what a report shows: the account, particles, tomograms and where the particles were seen."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from subtomo.errors import SubtomoError
from subtomo.extraction.plan import plan_extraction
from subtomo.io.account import project_folder, read_account
from subtomo.io.relion import OptimisationSet, read_optimisation_set, read_particles, read_tomograms
from subtomo.io.zarr_read import StoredSubtomograms
from subtomo.model.account import ExtractionSummary
from subtomo.model.particles import ParticleSet
from subtomo.model.plan import ExtractionPlan
from subtomo.model.settings import Output
from subtomo.model.tilt_series import TomogramSet
from subtomo.report.sampling import Indices, even_sample

STORE = "particles.zarr"
MOST_PARTICLES = 25_000
"""More than these are sampled evenly over the file: in a picture they could not be distinguished."""
_UNKNOWN_SIZE = (1, 1)


@dataclass(frozen=True, eq=False)
class ReportData:
    """All that a report shows, so far as it could be found; what is missing is None and named in the notes."""

    folder: Path
    project: Path
    """The folder that names in STAR files are relative to."""
    account: ExtractionSummary
    particles: ParticleSet | None = None
    """The extracted ones, all of them or an even sample."""
    tomograms: TomogramSet | None = None
    has_images: bool = False
    """Whether the tilt images are there, without which their size is unknown."""
    plan: ExtractionPlan | None = None
    """Of `particles`: where they are in the tilt images, and in which."""
    left_out_plan: ExtractionPlan | None = None
    """Of the particles that were left out."""
    counts: Counter[str] = field(default_factory=Counter)
    """Tomogram to the number of its extracted particles, of all of them."""
    store: StoredSubtomograms | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_sampled(self) -> bool:
        """Whether the particles shown are a sample."""
        return self.particles is not None and len(self.particles) < self.account.n_extracted

    def particle_file(self, name: str) -> Path:
        """Find a file that the particle set names, also if the output folder has been moved since."""
        given = self.account.output_dir
        if name.startswith(given):
            return self.folder / name.removeprefix(given)
        return self.project / name


@dataclass
class _Collector:
    """Reads one input after the other, and notes what cannot be read."""

    folder: Path
    project: Path
    account: ExtractionSummary
    notes: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def collect(self) -> ReportData:
        """Read all there is."""
        store = self._store()
        particles = self._particles(store)
        tomograms, has_images = self._tomograms()
        plan = left_out_plan = None
        if tomograms is not None and has_images:
            left_out_plan = self._left_out_plan(tomograms)
            if particles is not None:
                plan = self._plan(tomograms, particles, moved=store is None)
        return ReportData(
            folder=self.folder,
            project=self.project,
            account=self.account,
            particles=particles,
            tomograms=tomograms,
            has_images=has_images,
            plan=plan,
            left_out_plan=left_out_plan,
            counts=self.counts,
            store=store,
            notes=tuple(self.notes),
        )

    def _store(self) -> StoredSubtomograms | None:
        if not (self.folder / STORE).is_dir():
            return None
        try:
            return StoredSubtomograms(self.folder / STORE)
        except SubtomoError as error:
            self.notes.append(f"The particle store cannot be read: {error}")
            return None

    def _particles(self, store: StoredSubtomograms | None) -> ParticleSet | None:
        path = self.folder / "particles.star"
        if not self.account.n_extracted:
            return None
        try:
            if path.exists():
                particles = read_particles(path)
                return self._sampled(particles, np.arange(len(particles)))
            if store is None:
                self.notes.append(f"There is no {path}, so nothing is known of single particles.")
                return None
            original = self._original_particles()
            if original is None:
                return None
            indices = store.indices[store.done]
            if len(indices) and indices.max() >= len(original):
                self.notes.append(f"{original.source} has changed since the extraction, so particles are not shown.")
                return None
            return self._sampled(original, indices)
        except SubtomoError as error:
            self.notes.append(f"Particles cannot be shown: {error}")
            return None

    def _sampled(self, particles: ParticleSet, indices: Indices) -> ParticleSet:
        """Count the particles of each tomogram, and take no more than can be shown."""
        self.counts = Counter(particles.tomogram_names[indices].tolist())
        chosen = indices[even_sample(len(indices), MOST_PARTICLES)]
        return particles.take(chosen, with_trajectories=False)

    def _files(self) -> OptimisationSet:
        """Name the input files as the account does."""
        inputs = self.account.inputs
        return OptimisationSet(inputs.particles, inputs.tomograms, inputs.trajectories).in_project(self.project)

    def _original_particles(self) -> ParticleSet | None:
        files = self._files()
        if files.particles is None or not Path(files.particles).exists():
            self.notes.append(
                f"The particle set that was extracted from ({files.particles or 'not named'}) is not there, so the "
                "places of particles that were left out are not shown."
            )
            return None
        tomograms = self._without_images(files.tomograms) if files.tomograms else None
        return read_particles(files.particles, tomograms)

    def _without_images(self, tomograms_file: str) -> TomogramSet:
        return read_tomograms(tomograms_file, image_size=_UNKNOWN_SIZE, project=self.project)

    def _tomograms(self) -> tuple[TomogramSet | None, bool]:
        """Read the tomogram set, without images if these are not there."""
        written = self.folder / "optimisation_set.star"
        try:
            found = read_optimisation_set(written) if written.exists() else OptimisationSet()
            name = found.in_project(self.project).tomograms or self._files().tomograms
        except SubtomoError as error:
            self.notes.append(f"Tilt series cannot be shown: {error}")
            return None, False
        if name is None:
            self.notes.append("No file says which tilt series were extracted from, so they are not shown.")
            return None, False
        try:
            return read_tomograms(name, project=self.project), True
        except SubtomoError as error:
            problem = str(error)
        self.notes.append(f"Tilt images are not shown, nor who was seen in them: {problem}")
        with contextlib.suppress(SubtomoError):
            return self._without_images(name), False
        return None, False

    def _plan(self, tomograms: TomogramSet, particles: ParticleSet, *, moved: bool) -> ExtractionPlan | None:
        """Compute again in which tilts the particles are visible; `moved` if offsets have been applied already."""
        settings = replace(self.account.settings, min_tilts=0, output=Output.PSEUDO_SUBTOMOGRAM)
        if moved:
            settings = replace(settings, apply_offsets=False, apply_orientations=False)
        try:
            return plan_extraction(tomograms, particles, settings)
        except SubtomoError as error:
            self.notes.append(f"Places of particles in the tilt images are not shown: {error}")
            return None

    def _left_out_plan(self, tomograms: TomogramSet) -> ExtractionPlan | None:
        known = {tomogram.name for tomogram in tomograms}
        entries = [entry for entry in self.account.left_out if entry.tomogram in known]
        if not entries:
            return None
        try:
            original = self._original_particles()
            if original is None:
                return None
            if any(e.particle >= len(original) or str(original.names[e.particle]) != e.name for e in entries):
                self.notes.append(
                    f"{original.source} has changed since the extraction, so the places of particles that were left "
                    "out are not shown."
                )
                return None
            indices = np.array([entry.particle for entry in entries], np.int64)
            chosen = indices[even_sample(len(indices), MOST_PARTICLES)]
            return self._plan(tomograms, original.take(chosen, with_trajectories=False), moved=False)
        except SubtomoError as error:
            self.notes.append(f"The places of particles that were left out are not shown: {error}")
            return None


def collect(folder: str | os.PathLike[str], project: str | os.PathLike[str] | None = None) -> ReportData:
    """Read what a report on an extraction shows; only the account must be there.

    Args:
        folder: The output folder of an extraction.
        project: The folder that names in STAR files are relative to; None to find out.

    Raises:
        InputError: The folder has no account of an extraction.
    """
    absolute = Path(folder).resolve()
    account = read_account(absolute)
    base = Path(project).resolve() if project is not None else project_folder(folder, account) or Path.cwd()
    return _Collector(absolute, base, account).collect()
