"""A project, and RELION's program names as links that come first on PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from subtomo.cli import main
from subtomo.jobs.stand_in import command_script
from tests.helpers.project import write_project

SIZES = "--t tomograms.star --p particles.star --theme classic --b 32 --crop 24 --bin 1 --min_frames 1"


@dataclass
class Job:
    """How a command that a shell ran came out."""

    code: int
    out: str
    err: str


@dataclass
class Project:
    """A folder with two tomograms and four particles, and a shell that finds the links first."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def shell(self, line: str, *, code: int = 0, **variables: str) -> Job:
        """Run a line as RELION's job system does, through a shell in the project's folder."""
        environment = {**os.environ, **self.variables, **variables}
        run = subprocess.run(
            ["bash", "-c", line], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=240
        )
        assert run.returncode == code, run.stdout + run.stderr
        return Job(run.returncode, run.stdout, run.stderr)

    def tree(self, name: str) -> dict[str, bytes]:
        """Read what a job left, but for what tells times and commands; STAR files name their folder."""
        folder = self.folder / name
        names = {path: path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
        return {
            str(short): path.read_bytes().replace(name.encode(), b"X")
            for path, short in names.items()
            if short.parts[0] not in (".subtomo", "note.txt", "extraction_summary.json")
            and not short.name.startswith(("RELION_JOB", "run."))
        }

    def differing(self, one: str, other: str) -> list[str]:
        """Name files of two jobs that differ, or that only one of them has."""
        ours, theirs = self.tree(one), self.tree(other)
        assert ours
        return sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))

    def endings(self, name: str) -> list[str]:
        """List what RELION's pipeline finds of a job's end."""
        return sorted(path.name for path in (self.folder / name).glob("RELION_JOB_EXIT_*"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with the links installed in ``bin``."""
    folder = tmp_path / "project"
    folder.mkdir()
    write_project(folder)
    assert main(["stand-in", "install", str(tmp_path / "bin")]) == 0
    # another installation of the command must not be meant
    assert command_script() == Path(shutil.which("subtomo", path=str(command_script().parent)) or "")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("SUBTOMO_FOR_REFINE3D", raising=False)
    return Project(folder)
