"""What a command is given: the folder of a run, or a STAR file that its tables tell; and where its files are."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from subtomo.errors import InputError, SettingsError
from subtomo.io.account import ACCOUNT_NAME, project_folder, read_account
from subtomo.io.project import Project, in_project
from subtomo.io.reading import similar_file
from subtomo.io.relion import OptimisationSet, read_optimisation_set
from subtomo.io.relion.named_files import kind_of, named_files
from subtomo.model.account import ExtractionSummary

_SETS = ("optimisation_set.star", "run_optimisation_set.star")
_PARTICLES = ("particles.star", "run_data.star")
_STORE = "particles.zarr"


@dataclass(frozen=True)
class Sources:
    """The files that a command reads."""

    files: OptimisationSet = field(default_factory=OptimisationSet)
    """As they are found from the current folder."""
    optimisation_set_file: str | None = None
    project: Project = None
    """The folder that names in these files are relative to; None for the current one."""
    moved: tuple[str, str] | None = None
    """What names of a run's own files begin with, and the folder where these are now."""

    def path_of(self, name: str) -> str:
        """Find a file that a particle set names."""
        if self.moved is not None and name.startswith(self.moved[0]):
            return os.path.join(self.moved[1], name.removeprefix(self.moved[0]))
        return in_project(name, self.project)


def find_sources(
    named: OptimisationSet, optimisation_set_file: str | None = None, place: str | None = None, *, sets: bool = True
) -> Sources:
    """Find the files that a command is given, and the project that they belong to.

    Args:
        named: Files that are named one by one; they override what a set names.
        optimisation_set_file: The set.
        place: The folder of a run, or a STAR file of whatever kind, instead of either.
        sets: Prefer the optimisation set of a folder to its particle set.

    Raises:
        InputError: There is nothing of this kind at the place, or a file cannot be read.
        SettingsError: A set is given twice.
    """
    if place:
        found, of_place = _at(place, sets=sets)
        if optimisation_set_file and of_place:
            raise SettingsError(
                f"two optimisation sets are given, {optimisation_set_file} (optimisation_set) and {of_place}; leave "
                "one of them out",
                field="optimisation_set",
            )
        for kind, name in vars(found).items():
            if name and getattr(named, kind):
                raise SettingsError(
                    f"unexpected {place!r}: {kind} are given already, {getattr(named, kind)} ({kind}); leave one of "
                    "them out",
                    field=kind,
                )
        named, optimisation_set_file = found.overridden_by(named), optimisation_set_file or of_place
    files = named
    if optimisation_set_file is not None:
        in_set = read_optimisation_set(optimisation_set_file)
        project = project_of(optimisation_set_file)
        files = (in_set if project is None else in_set.in_project(project)).overridden_by(named)
    project = _project_of_any(files.particles, files.tomograms)
    moved = None if files.particles is None else _moved(files.particles, project)
    if project is not None:
        # whoever takes the project does not take it twice
        files = OptimisationSet(**{kind: os.path.abspath(name) for kind, name in vars(files).items() if name})
        optimisation_set_file = optimisation_set_file and os.path.abspath(optimisation_set_file)
    return Sources(files, optimisation_set_file, project, moved)


def find_sources_here(named: OptimisationSet, optimisation_set_file: str | None, place: str | None) -> Sources:
    """Find the files of a command that writes names of files, which are relative to the current folder.

    Takes what `find_sources` takes.

    Raises:
        InputError: As there, or the files are those of a project elsewhere.
    """
    if place is None:
        return Sources(named, optimisation_set_file)
    found = find_sources(named, optimisation_set_file, place)
    if found.project is not None:
        raise InputError(
            f"{place}: names in it are relative to {found.project}, but those that will be written are relative to the "
            f"current folder; run this in {found.project}"
        )
    return found


def project_of(path: str) -> Project:
    """Find the folder that names in a STAR file are relative to; None for the current one.

    It is the one that the account beside the file keeps, else the current one, else the nearest folder above the file
    from where the files are found that it names.
    """
    account = _account_beside(path)
    recorded = None if account is None else project_folder(os.path.dirname(path) or ".", account)
    if recorded is not None and os.path.realpath(recorded) == os.getcwd():
        return None
    try:
        names = named_files(path)
    except (InputError, KeyError):
        return None  # whoever reads the file says what is wrong with it
    for folder in (*([] if recorded is None else [recorded]), Path(), *Path(os.path.abspath(path)).parents):
        if names and all(os.path.exists(folder / name) for name in names):
            return None if os.path.samefile(folder, os.curdir) else str(folder)
    return None if recorded is None else str(recorded)


def _project_of_any(*paths: str | None) -> Project:
    """Find the project of the first of some files that names others; a particle set may name none."""
    given = [path for path in paths if path is not None]
    for path in given:
        try:
            names = named_files(path)
        except InputError:
            names = ()
        if names or path is given[-1] or _account_beside(path) is not None:
            return project_of(path)
    return None


def _moved(path: str, project: Project) -> tuple[str, str] | None:
    """Tell whether the output folder of a run has another name or place than the names of its files say."""
    account, folder = _account_beside(path), os.path.dirname(path) or "."
    if account is None:
        return None
    try:
        name = next((name for name in named_files(path) if name.startswith(account.output_dir)), None)
    except InputError:
        return None
    if name is None or os.path.exists(in_project(name, project)):
        return None
    is_here = os.path.exists(os.path.join(folder, name.removeprefix(account.output_dir)))
    return (account.output_dir, folder) if is_here else None


def _account_beside(path: str) -> ExtractionSummary | None:
    """Read the account of the run that a file is of."""
    try:
        return read_account(os.path.dirname(path) or ".")
    except InputError:
        return None


def _at(place: str, *, sets: bool) -> tuple[OptimisationSet, str | None]:
    """Find the particles, or the optimisation set, that a folder or a file stands for."""
    if not os.path.exists(place):
        raise InputError(
            f"{place}: does not exist (looked from {os.getcwd()}){similar_file(place)}; give the output folder of a "
            "run, or a STAR file"
        )
    if not os.path.isdir(place):
        kind = kind_of(place)
        if kind == "optimisation_set":
            return OptimisationSet(), place
        return OptimisationSet(**{kind: place}), None
    optimisation_set, particles = _first(place, _SETS), _first(place, _PARTICLES)
    if optimisation_set is not None and (sets or particles is None):
        return OptimisationSet(), optimisation_set
    if particles is not None:
        return OptimisationSet(particles=particles), None
    raise InputError(f"{place}: {_nothing_in(place)}")


def _first(folder: str, names: Iterable[str]) -> str | None:
    return next((path for name in names if os.path.isfile(path := os.path.join(folder, name))), None)


def _nothing_in(folder: str) -> str:
    """Say why a folder is not the one of a run whose particles can be taken."""
    if os.path.isdir(os.path.join(folder, _STORE)):
        return f"holds {_STORE}, which is for Python; extract into files (as_zarr=False) for this"
    if os.path.exists(os.path.join(folder, ACCOUNT_NAME)):
        return f"holds {ACCOUNT_NAME}, but no {_PARTICLES[0]}: its extraction was not finished, so extract again"
    return (
        f"is a folder without {', '.join((*_PARTICLES, *_SETS))}; give the output folder of an extraction or a "
        "refinement, or a STAR file"
    )
