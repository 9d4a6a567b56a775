"""The walk-throughs of the built pages run as printed, block after block, in a fresh copy of the example."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from subtomo.cli import main as subtomo
from tests.docs.built_pages import Block, blocks

pytest.importorskip("mkdocs")

N_PARTICLES = 24
IN_SMALL = {
    *("known_answer", "vesicle", "pose_search", "refine_with_relion", "theory_pictures", "notebook"),
    *("refined_ribosomes", "studded_vesicle"),
}
"""Examples that take long, and run in a small size in their own tests."""

Folder = Path


@pytest.fixture(scope="module")
def site(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the documentation."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--clean", "-d", str(folder)]
    subprocess.run(command, cwd=repository, check=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    return folder


@pytest.fixture
def clone(repository: Path, tmp_path: Path) -> Folder:
    """Copy what a clone of the repository holds for its examples, with few particles."""
    folder = tmp_path / "clone"
    shutil.copytree(repository / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "docs" / "images").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(repository / name, folder)
    particles = folder / "examples" / "empiar-10499" / "particles.star"
    lines = particles.read_text(encoding="utf-8").splitlines(keepends=True)
    rows = [i for i, line in enumerate(lines) if line.startswith("TS_254 ")]
    particles.write_text("".join(lines[: rows[N_PARTICLES]]), encoding="utf-8")
    return folder


@pytest.fixture
def project(clone: Folder) -> Folder:
    """Make a RELION project of the copied example."""
    folder = clone / "examples" / "empiar-10499"
    (folder / "ImportTomo" / "job001").mkdir(parents=True)
    sets = "_rlnTomoTomogramsFile tomograms.star\n_rlnTomoParticlesFile particles.star\n"
    (folder / "ImportTomo/job001/optimisation_set.star").write_text(f"\ndata_\n\n{sets}\n", encoding="utf-8")
    return folder


def run(command: str, folder: Path) -> str:
    """Run a command as a reader would who has activated the environment, where ``make`` has done its set-up."""
    here = Path(sys.prefix) / "bin"
    ready = folder.parent / "ready"
    ready.touch()
    variables = {
        "PATH": f"{here}{os.pathsep}{os.environ['PATH']}",
        "MAKEFLAGS": f" -- PROGRAM={ready} VENV={sys.prefix} JOBS=2",
        "SUBTOMO_NO_REPORT": "1",
    }
    done = subprocess.run(
        command, cwd=folder, shell=True, capture_output=True, text=True, env={**os.environ, **variables}, check=False
    )
    only_warned = command.startswith("subtomo doctor") and "\n0 error(s)" in done.stdout  # of particles near an edge
    assert done.returncode == 0 or only_warned, f"{command}\n{done.stdout[-500:]}\n{done.stderr[-1500:]}"
    return done.stdout


def walk(page: list[Block], folder: Folder, prepare: dict[str, Callable[[Folder], object]] | None = None) -> list[str]:
    """Run the blocks of a page in order: Python in one namespace, commands in the folder.

    Args:
        page: Its blocks.
        folder: The current folder.
        prepare: What to do before the first command, or Python block, that contains a text: what a reader has by then.

    Returns:
        The commands that ran.
    """
    waiting, done, names = dict(prepare or {}), list[str](), dict[str, object]({"__name__": "__main__"})
    for block in page:
        for step in [block.text] if block.is_python else block.commands:
            for text in [text for text in waiting if text in step]:
                waiting.pop(text)(folder)
            if block.is_python:
                exec(compile(step, "block", "exec"), names)
            elif step not in done and not any(f"examples/{name}.py" in step for name in IN_SMALL):
                run(step, folder)
                done.append(step)
    assert not waiting, f"the page no longer has {list(waiting)}"
    return done


def copy(source: str, target: str) -> Callable[[Folder], object]:
    """Give what copies a file or folder within the project."""

    def act(folder: Folder) -> None:
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        if (folder / source).is_dir():
            shutil.copytree(folder / source, folder / target)
        else:
            shutil.copy(folder / source, folder / target)

    return act


def test_the_gallery(site: Path, clone: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone)
    done = walk(blocks(site / "gallery.html"), clone)
    assert {"make demo", "python examples/convention_pictures.py docs/images"} < set(done)
    assert (clone / "surface.png").is_file()


def test_the_notebook_page(site: Path, clone: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone)
    page = [block for block in blocks(site / "howto" / "notebook.html") if "particles.zarr" not in block.text]
    walk(page, clone)
    assert (clone / "OUT" / "notebook.png").is_file()
    assert (clone / "OUT" / "Picked" / "particles.star").is_file()


def test_in_a_relion_5_project(site: Path, project: Folder) -> None:
    done = walk(
        blocks(site / "howto" / "relion5-project.html"),
        project,
        {
            "Refine3D/job050": copy("Extract/job042/particles.star", "Refine3D/job050/run_data.star"),
            "by-relion": copy("Extract/job042", "Extract/by-relion"),
        },
    )
    assert len(done) == 7


def test_the_readme(repository: Path, clone: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no page of the site; its Python runs in the example's folder, its ``make demo`` in the gallery's test."""
    monkeypatch.chdir(clone / "examples" / "empiar-10499")
    text = (repository / "README.md").read_text(encoding="utf-8")
    code = [part.split("\n```")[0] for part in text.split("```python\n")[1:]]
    assert code
    names: dict[str, object] = {}
    for block in code:
        exec(compile(block, "README.md", "exec"), names)


def test_every_command_on_a_page_has_known_options(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where other programs' files or a cluster are needed: without files they fail, but for want of these."""
    monkeypatch.chdir(tmp_path)
    pages = sorted(site.rglob("*.html"))
    commands = {command for page in pages for block in blocks(page) for command in block.commands}
    known = [command for command in commands if command.startswith("subtomo ") and "…" not in command]
    assert len(known) > 30
    wrong = []
    for command in sorted(known):
        with contextlib.suppress(SystemExit):
            subtomo(shlex.split(command)[1:])
        if "unknown" in (said := capsys.readouterr().err):
            wrong.append((command, said.splitlines()[0]))
    assert wrong == []


def test_every_example_of_the_gallery_exists(site: Path, repository: Path) -> None:
    commands = [command for block in blocks(site / "gallery.html") for command in block.commands]
    scripts = [word for command in commands for word in command.split() if word.endswith(".py")]
    assert [script for script in scripts if not (repository / script).is_file()] == []
