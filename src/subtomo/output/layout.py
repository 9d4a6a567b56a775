"""Where an extraction writes: RELION's tree and names (spec/conventions.md §9), kept inside the output folder."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace

from subtomo.errors import InputError, SettingsError
from subtomo.io.account import ACCOUNT_NAME
from subtomo.io.star_write import is_writable
from subtomo.model.plan import ExtractionPlan
from subtomo.output.names import check_output_folder, check_paths, unopenable
from subtomo.output.particle_files import SUFFIXES
from subtomo.words import invisible, listed, unencodable

OPTIMISATION_SET_NAME = "optimisation_set.star"
"""Of the file that names all others, and is the last to appear."""
_BESIDE = ("note.txt", "report.html")
"""What a job leaves there, too."""
_LONGEST_NAME = 200
"""Bytes of one path component; file systems allow 255, and suffixes are added."""


_HARMLESS = re.compile(r"[A-Za-z0-9_][\w.+-]{0,99}(/[A-Za-z0-9_][\w.+-]{0,99})?", re.ASCII)
"""What nearly all names look like; they need no closer look, which matters for a million of them."""


@dataclass(frozen=True)
class OutputLayout:
    """Names all files of an extraction; all start with the output folder as the user gave it."""

    folder: str
    """Ends in a slash."""
    separate_tomograms: bool
    """Whether particle names lack the tomogram, so that a folder per tomogram is put before them."""

    @classmethod
    def of(cls, plan: ExtractionPlan, output_dir: str) -> OutputLayout:
        """Choose the layout: the name of the very first particle decides for all.

        Raises:
            InputError: A name would lead out of the folder or cannot be a file name.
            SettingsError: The folder has no name.
        """
        folder = output_folder(output_dir)
        particles = plan.particles
        first = particles.in_tomogram(plan.series[0].series.name)[0]
        layout = cls(folder, separate_tomograms="/" not in str(particles.names[first]))
        roots = list[str]()
        for tomogram in plan.series:
            if layout.separate_tomograms:
                check_name(tomogram.series.name, f"tomogram in {tomogram.series.source}")
            names = particles.names[tomogram.particles].tolist()
            for name, particle in zip(names, tomogram.particles.tolist(), strict=True):
                if not _HARMLESS.fullmatch(name):
                    check_name(name, f"{particles.source}, row {particle + 1}: particle")
            beginning = layout.root(tomogram.series.name, "")
            roots += [beginning + name for name in names]
        check_paths(roots, SUFFIXES, particles.source)
        return layout

    def absolute(self) -> OutputLayout:
        """Give the same names for processes whose current folder is another one."""
        return replace(self, folder=os.path.join(os.path.abspath(self.folder), ""))

    @property
    def particles(self) -> str:
        """The STAR file of all particles."""
        return self.folder + "particles.star"

    @property
    def particles_for_class2d(self) -> str:
        """The STAR file that names of each particle the projection nearest to zero tilt."""
        return self.folder + "particles_for_class2d.star"

    @property
    def trajectories(self) -> str:
        """The STAR file of the remaining particles' motion."""
        return self.folder + "motion.star"

    @property
    def left_out(self) -> str:
        """The STAR file of the particles that are left out, with the reasons."""
        return self.folder + "left_out.star"

    @property
    def optimisation_set(self) -> str:
        """The STAR file that names all others."""
        return self.folder + OPTIMISATION_SET_NAME

    @property
    def summary(self) -> str:
        """The account of the run."""
        return summary_file(self.folder)

    @property
    def records(self) -> tuple[str, ...]:
        """The files that name images, and the account: they belong to one run."""
        names = self.particles, self.particles_for_class2d, self.trajectories, self.left_out, self.optimisation_set
        return *names, self.summary

    @property
    def hidden(self) -> str:
        """The folder of what a run keeps for itself; ends in a slash."""
        return self.folder + ".subtomo/"

    @property
    def journal(self) -> str:
        """The list of finished particles, by which a later run knows what is left to do."""
        return self.hidden + "journal.jsonl"

    def partial_sum(self, batch: int) -> str:
        """Name the file of the sums over a batch, which is there until they are merged."""
        return f"{self.hidden}sums/{batch}.npy"

    def sum(self, kind: str) -> str:
        """Name the file of a sum: ``data``, ``weight`` or ``div``."""
        return f"{self.folder}sum_{kind}.mrc"

    @property
    def subtomograms(self) -> str:
        """The folder of all particles."""
        return self.folder + "Subtomograms"

    def root(self, tomogram: str, particle: str) -> str:
        """Give what all file names of a particle begin with."""
        inner = f"{tomogram}/{particle}" if self.separate_tomograms else particle
        return f"{self.subtomograms}/{inner}"


def output_folder(name: str) -> str:
    """Give the output folder with a slash at its end.

    Raises:
        SettingsError: It has no name, which would make it the root of the file system, or one that RELION misreads.
    """
    check_output_folder(name)
    return name if name.endswith("/") else name + "/"


def refuse_others(folder: str) -> None:
    """Refuse a folder that holds files of other programs, or of people, that an extraction would replace.

    Args:
        folder: Ends in a slash.

    Raises:
        SettingsError: It does, and nothing says that an earlier extraction made them.
    """
    layout = OutputLayout(folder, separate_tomograms=False)
    if os.path.isdir(layout.hidden) or os.path.lexists(layout.summary):
        return
    names = (*layout.records, *(folder + name for name in _BESIDE))
    others = [os.path.basename(name) for name in names if os.path.lexists(name)]
    if others:
        raise SettingsError(
            f"{folder}: holds {listed(others)}, and no account of an extraction by subtomo beside it: they "
            "would be lost; choose another output folder (output_dir), or replace what is there (overwrite=True)",
            field=("output_dir", "overwrite"),
        )


def summary_file(folder: str) -> str:
    """Name the account of an extraction into a folder, which ends in a slash."""
    return folder + ACCOUNT_NAME


def check_name(name: str, where: str) -> None:
    """Refuse names that are no relative path below the folder."""
    if _HARMLESS.fullmatch(name):
        return
    parts = name.split("/")
    if name.startswith("/"):
        problem = "is an absolute path"
    elif ".." in parts or "." in parts:
        problem = "leads out of its folder with '.' or '..'"
    elif "" in parts:
        problem = "has an empty part"
    elif "@" in parts[0]:
        problem = "has an @, which RELION takes for the number of an image"
    elif any(ord(character) < 32 or ord(character) == 127 for character in name) or "\\" in name:
        problem = "has a control character or a backslash"
    elif (reason := unencodable(name)) is not None:
        raise InputError(f"{where} {name!r} {reason}")
    elif (strange := invisible(name)) is not None:
        problem = f"holds {strange}, which nobody sees"
    elif not is_writable(name):
        problem = "has quotes that cannot stand in a STAR file"
    elif (reason := unopenable(name)) is not None:
        problem = reason
    elif any(len(part.encode()) > _LONGEST_NAME for part in parts):
        problem = f"has a part of more than {_LONGEST_NAME} bytes"
    else:
        return
    raise InputError(f"{where} {name!r} {problem}, so no file can be named after it; rename it")
