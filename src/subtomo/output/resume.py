"""What an output folder holds already, and whether it may be kept: the settings and inputs must be the same."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import SettingsError
from subtomo.io.account import plain_settings
from subtomo.model.plan import ExtractionPlan, SeriesPlan
from subtomo.model.settings import ExtractionSettings, ExtraFile, OutputSettings
from subtomo.output.journal import Journal, Recorded, read_journal
from subtomo.output.keys import particle_keys
from subtomo.output.layout import OutputLayout
from subtomo.output.written import ParticleWriter

Bool = NDArray[np.bool_]

NUMERICS = 2
"""To be raised when the same input and settings give other voxels than before."""
TRUSTED = "trusted"
"""Stands for the key of a particle that another program made."""


class Ledger:
    """Tells which particles are finished, and takes down those that become so.

    Args:
        plan: What is wanted.
        layout: Where.
        output: What is written; ``skip_existing`` stands for RELION's way, which trusts whole files of other programs.
        resume: Keep what is finished, if it was made with the same settings and inputs.
        note: Told what is kept and what is not.

    Raises:
        SettingsError: What is to be kept was made with other settings.
    """

    def __init__(
        self,
        plan: ExtractionPlan,
        layout: OutputLayout,
        output: OutputSettings,
        *,
        resume: bool,
        note: Callable[[str], None],
    ) -> None:
        self._plan, self._layout, self._output, self._note = plan, layout, output, note
        self.files = ParticleWriter(layout, plan.settings, output)
        settings = journal_settings(plan.settings, output)
        recorded = read_journal(layout.journal)
        keeps = resume or output.skip_existing
        if keeps and recorded is not None and recorded.keys:
            self._require_equal(recorded, settings)
        self._keys = {
            entry.series.name: particle_keys(entry, plan.particles, plan.settings.output) for entry in plan.series
        }
        trusts = output.skip_existing and not resume
        self.done = self._found(recorded, trusts=trusts) if keeps else self._nothing()
        if recorded is not None and recorded.keys and not keeps:
            note(
                f"{layout.folder} holds {len(recorded.keys)} finished particle(s) of an earlier run, which are made "
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

    def add(self, entry: SeriesPlan, index: int, *, is_synced: bool) -> None:
        """Take down that the particle at ``index`` of a tomogram's plan is finished."""
        name, key = str(self._plan.particles.names[entry.particles[index]]), self._keys[entry.series.name][index]
        self._finished[name] = key
        files = () if is_synced else self.files.expected(entry, index, name)
        self._journal.add(name, key, (path for path, _ in files))

    def close(self) -> None:
        """Write what is left, whatever happened before."""
        self._journal.close()

    def conclude(self) -> None:
        """Put the finished particles into the order of extraction, so that equal results are equal files."""
        self.close()
        names = (str(name) for name in self._plan.particles.names[self._plan.indices])
        self._journal.write_anew({name: self._finished[name] for name in names if name in self._finished})

    def _nothing(self) -> dict[str, Bool]:
        self._finished: dict[str, str] = {}
        return {entry.series.name: np.zeros(len(entry), bool) for entry in self._plan.series}

    def _found(self, recorded: Recorded | None, *, trusts: bool) -> dict[str, Bool]:
        """Look which particles are finished: recorded with the right key, or trusted; and whole."""
        done, keys = self._nothing(), {} if recorded is None else recorded.keys
        changed = broken = trusted = foreign_before = 0
        for entry in self._plan.series:
            names = self._plan.particles.names[entry.particles].tolist()
            for index, (name, key) in enumerate(zip(names, self._keys[entry.series.name], strict=True)):
                old = keys.get(name)
                foreign = trusts and (recorded is None or old == TRUSTED)
                if old is None and not foreign:
                    continue
                if old != key and not foreign:
                    changed += old != TRUSTED
                    foreign_before += old == TRUSTED
                elif not self.files.are_whole(entry, index, name):
                    broken += recorded is not None
                else:
                    done[entry.series.name][index] = True
                    self._finished[name] = TRUSTED if foreign else key
                    trusted += foreign
        if foreign_before:
            self._note(f"{foreign_before} particle(s) are made again, for another program made them")
        self._tell(changed, broken, trusted)
        return done

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

    def _require_equal(self, recorded: Recorded, settings: Mapping[str, Any]) -> None:
        """Raise SettingsError that names every setting in which finished particles differ from the wanted ones."""
        old = {**_defaults(), **recorded.settings}
        changed = {name: value for name, value in settings.items() if name in old and old[name] != value}
        if changed:
            differences = (
                f"{name} ({name}) was {_shown(old[name])}, now {_shown(new)}" for name, new in changed.items()
            )
            raise SettingsError(
                f"{self._layout.folder} holds {len(recorded.keys)} finished particle(s) that were made with other "
                f"settings: {'; '.join(differences)}. Choose another output folder (output_dir), or remove "
                f"{self._layout.folder}, or leave out resume=True and skip_existing=True to make all particles again",
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
