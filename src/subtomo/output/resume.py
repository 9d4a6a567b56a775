"""What an output folder holds already, and whether it may be kept: the settings and inputs must be the same."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import SettingsError
from subtomo.io.account import plain_settings
from subtomo.io.checksum import checksum_of
from subtomo.model.plan import ExtractionPlan, SeriesPlan
from subtomo.model.settings import ExtractionSettings, ExtraFile, OutputSettings
from subtomo.output.journal import Entry, Journal, Recorded, read_journal
from subtomo.output.keys import particle_keys
from subtomo.output.layout import OutputLayout
from subtomo.output.sink import Opening
from subtomo.output.written import ParticleWriter

Bool = NDArray[np.bool_]

NUMERICS = 2
"""To be raised when the same input and settings give other voxels than before."""
TRUSTED = "trusted"
"""Stands for the key of a particle that another program made."""


class Ledger:
    """Tells which particles are finished, and takes down those that become so.

    Args:
        opening: What is wanted, whether to keep what is finished, if it was made with the same settings and inputs, and
            whether to compare its files with their checksums, which reads them all.
        layout: Where.
        output: What is written; ``skip_existing`` stands for RELION's way, which trusts whole files of other programs.

    Raises:
        SettingsError: What is to be kept was made with other settings, or nobody knows with which.
    """

    def __init__(self, opening: Opening, layout: OutputLayout, output: OutputSettings) -> None:
        plan, resume, note = opening.plan, opening.resume, opening.note
        self._plan, self._layout, self._output, self._note = plan, layout, output, note
        self._verify = opening.verify
        self.files = ParticleWriter(layout, plan.settings, output)
        settings = journal_settings(plan.settings, output)
        recorded = read_journal(layout.journal)
        keeps, trusts = resume or output.skip_existing, output.skip_existing and not resume
        if recorded is not None and recorded.problem is not None:
            if trusts:
                raise SettingsError(
                    f"{recorded.problem}. So nobody knows with which settings the particles in {layout.folder} were "
                    "made: leave out skip_existing=True to make all of them again, choose another output folder "
                    f"(output_dir), or remove {layout.journal} to trust every whole file",
                    field=("skip_existing", "output_dir"),
                )
            if resume:
                note(
                    f"{layout.folder} has no record of how its particles were made that can be read "
                    f"({recorded.problem}), so all are made again"
                )
        if keeps and recorded is not None and recorded.entries:
            require_equal_settings(layout.folder, len(recorded.entries), recorded.settings, settings)
        self._keys = {
            entry.series.name: particle_keys(entry, plan.particles, plan.settings.output, opening.project)
            for entry in plan.series
        }
        self.done = self._found(recorded, trusts=trusts) if keeps else self._nothing()
        if recorded is not None and recorded.entries and not keeps:
            note(
                f"{layout.folder} holds {len(recorded.entries)} finished particle(s) of an earlier run, which are made "
                "again; resume=True would keep them"
            )
        elif resume and recorded is None and os.path.exists(layout.particles):
            note(
                f"{layout.folder} has no record of how its particles were made, so all are made again; "
                "skip_existing=True would trust whole files"
            )
        self._journal = Journal(layout.journal, settings, self._finished)

    @property
    def n_done(self) -> int:
        """Count the particles that were finished when the run began."""
        return sum(int(done.sum()) for done in self.done.values())

    def add(self, entry: SeriesPlan, index: int, *, checksum: str | None) -> None:
        """Take down that the particle at ``index`` of a tomogram's plan is finished.

        Args:
            entry: The tomogram's plan.
            index: Of the particle in it.
            checksum: Of its files, if they were forced to the disk elsewhere.
        """
        name, key = str(self._plan.particles.names[entry.particles[index]]), self._keys[entry.series.name][index]
        if checksum is not None:
            self._journal.add(name, Entry(key, checksum))
        else:
            self._journal.add(name, Entry(key), [path for path, _ in self.files.expected(entry, index, name)])

    def close(self) -> None:
        """Write what is left, whatever happened before."""
        self._journal.close()

    def conclude(self, plan: ExtractionPlan) -> None:
        """Put the finished particles of the plan into the order of extraction: equal results are equal files."""
        self.close()
        names = (str(name) for name in plan.particles.names[plan.indices])
        entries = self._journal.entries
        self._journal.write_anew({name: entries[name] for name in names if name in entries})

    def _nothing(self) -> dict[str, Bool]:
        self._finished: dict[str, Entry] = {}
        return {entry.series.name: np.zeros(len(entry), bool) for entry in self._plan.series}

    def _found(self, recorded: Recorded | None, *, trusts: bool) -> dict[str, Bool]:
        """Look which particles are finished: recorded with the right key, or trusted; and whole."""
        done, known = self._nothing(), {} if recorded is None else recorded.entries
        changed = broken = trusted = foreign_before = altered = 0
        for entry in self._plan.series:
            names = self._plan.particles.names[entry.particles].tolist()
            for index, (name, key) in enumerate(zip(names, self._keys[entry.series.name], strict=True)):
                old = known.get(name)
                foreign = trusts and (recorded is None or (old is not None and old.key == TRUSTED))
                if old is None and not foreign:
                    continue
                if old is not None and old.key != key and not foreign:
                    changed += old.key != TRUSTED
                    foreign_before += old.key == TRUSTED
                elif not self.files.are_whole(entry, index, name):
                    broken += recorded is not None
                elif old is not None and self._verify and not self._is_as_written(entry, index, name, old):
                    altered += 1
                else:
                    done[entry.series.name][index] = True
                    self._finished[name] = Entry(TRUSTED) if foreign or old is None else old
                    trusted += foreign
        if foreign_before:
            self._note(f"{foreign_before} particle(s) are made again, for another program made them")
        if altered:
            self._note(f"{altered} finished particle(s) are made again, for their files were altered since")
        self._tell(changed, broken, trusted)
        return done

    def _is_as_written(self, entry: SeriesPlan, index: int, name: str, old: Entry) -> bool:
        """Compare a particle's files with the checksum that was taken when they were written, if one was."""
        paths = [path for path, _ in self.files.expected(entry, index, name)]
        return not old.checksum or checksum_of(paths) == old.checksum

    def _tell(self, changed: int, broken: int, trusted: int) -> None:
        if trusted:
            self._note(
                f"{trusted} particle(s) in {self._layout.folder} have whole files that another program made; they are "
                "trusted, as RELION does, though nothing tells their settings"
            )
        if changed:
            self._note(f"{changed} finished particle(s) are made again, for their images or tables have changed since")
        if broken:
            self._note(f"{broken} finished particle(s) are made again, for files of theirs are missing or cut short")


def require_equal_settings(place: str, n_finished: int, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Compare the settings of finished particles with those that are wanted, in the types that JSON has.

    Args:
        place: Where finished particles are.
        n_finished: How many.
        old: Made with these.
        new: Wanted, as `journal_settings` gives them.

    Raises:
        SettingsError: They differ; names every setting that does.
    """
    old = {**_defaults(), **old}
    changed = {name: value for name, value in new.items() if name in old and old[name] != value}
    if changed:
        differences = (
            f"{name} ({name}) was {_shown(old[name])}, now {_shown(value)}" for name, value in changed.items()
        )
        raise SettingsError(
            f"{place} holds {n_finished} finished particle(s) that were made with other settings: "
            f"{'; '.join(differences)}. Choose another output folder (output_dir), or remove {place}, or leave out "
            "resume=True and skip_existing=True to make all particles again",
            field=("output_dir", "resume", "skip_existing", *changed),
        )


def journal_settings(settings: ExtractionSettings, output: OutputSettings) -> dict[str, Any]:
    """List all settings that determine the content of particle files, in the types that JSON has."""
    wanted = {"float16", "extra_files", "write_weights"}
    if ExtraFile.DIVIDED in output.extra_files:
        wanted |= {"snr", "taper_px", "subtract_mean"}
    chosen = {name: value for name, value in plain_settings(output).items() if name in wanted}
    plain: dict[str, Any] = json.loads(json.dumps({"numerics": NUMERICS, **plain_settings(settings), **chosen}))
    return plain


def _defaults() -> dict[str, Any]:
    """Give the values of settings that the version which wrote a journal did not have yet."""
    plain = journal_settings(ExtractionSettings(box_size=4), OutputSettings(extra_files=ExtraFile.DIVIDED))
    given = {field.name for field in fields(ExtractionSettings)} - {"box_size", "crop_size"}
    return {name: value for name, value in plain.items() if name in given}


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
