"""RELION's tree of files: a folder of particles, and the STAR files that name them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from subtomo.extraction.memory import Memory
from subtomo.extraction.stream import Outcome
from subtomo.io.atomic import remove_leftovers, sync_files
from subtomo.io.checksum import checksum_of
from subtomo.io.mrc_read import read_volume
from subtomo.io.relion import OptimisationSet
from subtomo.io.relion.left_out import write_left_out
from subtomo.io.relion.output import loses_coordinates
from subtomo.model.plan import ExtractionPlan, SeriesPlan
from subtomo.model.settings import Output, OutputSettings
from subtomo.model.subtomogram import Extracted, PseudoSubtomogram
from subtomo.output.folders import make_folder
from subtomo.output.layout import OutputLayout
from subtomo.output.names import check_case
from subtomo.output.particle_files import (
    ParticleFile,
    Role,
    file_bytes,
    files_written,
    suffix_of,
    writes_particles,
)
from subtomo.output.records import planned_names, reconstruction_binning, require_nominal_tilts, write_records
from subtomo.output.resume import Bool, Ledger
from subtomo.output.room import Room, free_room
from subtomo.output.sink import Opening, Sink, SinkPart
from subtomo.output.written import ParticleWriter, Written, file_size

_MANY_LOST = 0.1
"""Of all values, those beyond this share that became zero are worth a warning: a few always lie near zero."""


class RelionTree(Sink[Written]):
    """Writes each particle's files under RELION's names; STAR files come last, when all that they name exists.

    Args:
        plan: What will be extracted.
        layout: Where.
        output: What to write, and how.
        files: Input files that the optimisation set goes on naming.

    Raises:
        SettingsError: Such files cannot hold what the settings make.
    """

    can_travel = True

    def __init__(
        self, plan: ExtractionPlan, layout: OutputLayout, output: OutputSettings, files: OptimisationSet
    ) -> None:
        super().__init__()
        self._plan, self._layout, self._output, self._files = plan, layout, output, files
        self._writer = ParticleWriter(layout, plan.settings, output)
        self._ledger: Ledger | None = None
        self._is_written_elsewhere = False
        self._checksums: dict[str, str] = {}

    @property
    def hidden(self) -> str:
        """The folder of lock and journal."""
        return self._layout.hidden

    @property
    def result(self) -> str:
        """The particle set."""
        return self._layout.particles

    @property
    def done(self) -> Mapping[str, Bool] | None:
        """Which particles are finished, by tilt series."""
        return None if self._ledger is None else self._ledger.done

    @property
    def can_read(self) -> bool:
        """Whether files hold exactly what was computed."""
        whole = self._output.write_weights and not self._output.float16 and not self._plan.settings.is_whitened
        return whole and writes_particles(self._plan.settings, self._output)

    def room(self, plan: ExtractionPlan) -> Room:
        """Count the files of all particles; those that are there are kept or replaced."""
        kinds, free = files_written(plan.settings, self._output), free_room(self._layout.folder)
        total = sum((self._of(kind, entry) for entry in plan.series for kind in kinds), Room())
        is_ample = free is not None and total.bytes <= free[0] and total.files <= free[1]
        if is_ample or not os.path.isdir(self._layout.subtomograms):
            return total
        return sum((self._beyond_what_is_there(entry) for entry in plan.series), Room(largest=total.largest))

    def _of(self, file: ParticleFile, entry: SeriesPlan) -> Room:
        """Count the files of one kind of the particles of a tilt series."""
        counts = Counter(entry.visible.sum(axis=1).tolist())
        settings, output = self._plan.settings, self._output
        sizes = {visible: file_bytes(file, settings, output, entry.series, visible) for visible in counts}
        needed = sum(size * counts[visible] for visible, size in sizes.items())
        return Room(needed, counts.total(), max(sizes.values(), default=0))

    def _beyond_what_is_there(self, entry: SeriesPlan) -> Room:
        """Look at every file of the particles of a tilt series, and count what is missing."""
        n_bytes = n_files = 0
        for index, name in enumerate(self._plan.particles.names[entry.particles].tolist()):
            for path, size in self._writer.expected(entry, index, name):
                there = file_size(path)
                n_bytes, n_files = n_bytes + max(0, size - max(0, there)), n_files + (there < 0)
        return Room(n_bytes, n_files)

    def memory(self, plan: ExtractionPlan) -> Memory:
        """Count the volumes that are computed for extra files only, in double precision."""
        n_extra = sum(file.role is Role.EXTRA for file in files_written(plan.settings, self._output))
        return Memory(0, (20 + 20 * n_extra if n_extra else 0) * plan.settings.crop**3)

    def refuse(self, plan: ExtractionPlan) -> None:
        """Refuse projections where the set does not say enough of the tomograms to name them."""
        self._output.check_with(plan.settings)
        if plan.settings.output is Output.PROJECTIONS:
            reconstruction_binning(plan)
            require_nominal_tilts(plan)

    def open(self, opening: Opening) -> None:
        """See what the folder holds, make folders, and remove STAR files of an earlier run."""
        plan, layout = opening.plan, self._layout
        check_case((layout.root(*name) for name in planned_names(plan)), layout.hidden, plan.particles.source)
        folders = self._particle_folders(plan)
        if leftovers := self._sweep(folders):
            opening.note(f"removed {leftovers} temporary file(s) that a killed run left in {layout.folder}")
        if writes_particles(plan.settings, self._output):
            self._ledger = Ledger(opening, layout, self._output)
        for folder in sorted(folders):
            make_folder(folder)
        for path in layout.records:
            Path(path).unlink(missing_ok=True)

    def write(self, particle: Extracted, entry: SeriesPlan) -> Written:
        """Write the files of a particle."""
        return self._writer.write(particle, entry.series.name)

    def read(self, entry: SeriesPlan, index: int, name: str) -> Extracted:
        """Read a particle's files back."""
        return read_particle(self._writer, entry, index, name)

    def accept(self, outcome: Outcome[Any], receipt: Written | None) -> None:
        """Record that a particle is finished; files without a receipt were forced to the disk elsewhere."""
        self.written += receipt or Written()
        if self._ledger is not None and outcome.error is None and outcome.is_new:
            checksum = self._checksums.pop(outcome.name, None) if receipt is None else None
            self._ledger.add(outcome.entry, outcome.index, checksum=checksum)

    def part(self, number: int) -> TreePart:
        """Give what writes the particles of a batch elsewhere."""
        self._is_written_elsewhere = True
        return TreePart(replace(self._writer, layout=self._layout.absolute()))

    def came_back(self, number: int, report: Any) -> None:
        """Count what was written elsewhere, and keep its checksums until the particles are accepted."""
        if report is not None:
            written, checksums = report
            self.written += written
            self._checksums |= checksums

    def missing(self, plan: ExtractionPlan) -> Iterator[tuple[SeriesPlan, int, str]]:
        """Remove what nobody will complete, and look for files that somebody removed, or cut short, meanwhile."""
        if self._is_written_elsewhere:
            # a worker that died while it wrote could not tidy up; its particles were made by another one
            self._sweep(self._particle_folders(self._plan))
        if self._ledger is None:
            return
        for entry in plan.series:
            for index, name in enumerate(plan.particles.names[entry.particles].tolist()):
                for path, size in self._writer.expected(entry, index, name):
                    found = file_size(path)
                    if found != size:
                        state = "is gone" if found < 0 else f"has {found} bytes instead of {size}"
                        problem = f"{path}: {state} at the end of the run; leave output alone while it is made"
                        yield entry, index, problem
                        break

    def conclude(self, plan: ExtractionPlan) -> tuple[str, ...]:
        """Close the journal and write the STAR files, the optimisation set last."""
        if self._ledger is not None:
            self._ledger.conclude(plan)
        write_left_out(self._layout.left_out, plan)
        kept = self._output.keep_coordinates
        write_records(plan, self._layout, self._files, keeps_coordinates=kept)
        told, overflows = list[str](), self.written.overflows
        if overflows:
            told.append(f"{overflows} value(s) were too large for half precision and became ±65504")
        if self.written.underflows > _MANY_LOST * self.written.bytes / 2:
            told.append(
                f"{self.written.underflows} value(s) were too small for half precision and became 0, which are "
                f"{self.written.underflows / (self.written.bytes / 2):.0%} of all; leave out float16=True, or scale "
                "the tilt images up"
            )
        if loses_coordinates(plan) and not kept:
            told.append(
                f"{self._layout.particles} has no coordinates, as RELION writes it if those in pixels are not moved "
                "by the offsets (keep_coordinates=False); no program can extract from it again"
            )
        return tuple(told)

    def _particle_folders(self, plan: ExtractionPlan) -> set[str]:
        return {os.path.dirname(self._layout.root(*name)) for name in planned_names(plan)}

    def _sweep(self, folders: Iterable[str]) -> int:
        """Remove temporary files from these folders and those above them, and count them."""
        return sum(map(remove_leftovers, (self._layout.folder, self._layout.hidden, *folders)))

    def close(self) -> None:
        """Write what the journal still holds back."""
        if self._ledger is not None:
            self._ledger.close()


class TreePart(SinkPart[Written]):
    """Writes the particles of one batch, elsewhere."""

    def __init__(self, writer: ParticleWriter) -> None:
        self._writer, self._written = writer, Written()
        self._files: dict[str, list[str]] = {}

    def write(self, particle: Extracted, entry: SeriesPlan) -> Written:
        """Write the files of a particle."""
        return self._writer.write(particle, entry.series.name)

    def read(self, entry: SeriesPlan, index: int, name: str) -> Extracted:
        """Read a particle's files back."""
        return read_particle(self._writer, entry, index, name)

    def accept(self, outcome: Outcome[Any], receipt: Written | None) -> None:
        """Remember the files of a particle."""
        self._written += receipt or Written()
        if receipt is not None:
            expected = self._writer.expected(outcome.entry, outcome.index, outcome.name)
            self._files[outcome.name] = [path for path, _ in expected]

    def report(self) -> tuple[Written, dict[str, str]]:
        """Force the files to the disk, and take the checksums of each particle's."""
        sync_files(path for paths in self._files.values() for path in paths)
        return self._written, {name: checksum_of(paths) for name, paths in self._files.items()}


def read_particle(writer: ParticleWriter, entry: SeriesPlan, index: int, name: str) -> PseudoSubtomogram:
    """Read the files of a 3-D particle that is not whitened.

    Raises:
        InputError: A file is missing or damaged.
    """
    root = writer.layout.root(entry.series.name, name)
    image, weights = (suffix_of(role, Output.PSEUDO_SUBTOMOGRAM) for role in (Role.IMAGE, Role.WEIGHTS))
    data, _ = read_volume(f"{root}{image}")
    both, _ = read_volume(f"{root}{weights}")
    size = len(data)
    return PseudoSubtomogram(
        name=name,
        particle=int(entry.particles[index]),
        data=data,
        ctf2=both[:size],
        multiplicity=both[size:],
        pixel_size_angstrom=writer.settings.binning * entry.series.pixel_size_angstrom,
        visible=entry.visible[index],
        orientation=entry.orientations[index],
    )
