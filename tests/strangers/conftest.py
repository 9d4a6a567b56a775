"""The example, as strangers write it: copies to be changed, and what the untouched one gives."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from subtomo.cli import main

PARTICLES = 10
"""Of the example, which has 400; the first ones."""
SIZES = ("--b", "32", "--crop", "24", "--bin", "2")
FILES = ("--t", "tomograms.star", "--p", "particles.star")
_LOOP = re.compile(r"(?m)^loop_\n(?:_\S+.*\n)+")


def extract(*more: str, out: str = "out/") -> int:
    """Run the command as the situations give it; later words override."""
    return main(["extract", *FILES, *SIZES, "--o", out, *more])


def doctor(*more: str) -> tuple[int, list[dict[str, Any]]]:
    """Examine the project; give the exit code and all that is no remark."""
    code = main(["doctor", *FILES, *SIZES, "--json", "diagnosis.json", *more])
    found = json.loads(Path("diagnosis.json").read_text(encoding="utf-8"))["findings"]
    return code, [one for one in found if one["severity"] != "info"]


def told(findings: list[dict[str, Any]], severity: str | None = None) -> str:
    """Join findings to one text."""
    return "\n".join(
        f"{one['where']}: {one['what']}; {one['advice']}"
        for one in findings
        if severity is None or one["severity"] == severity
    )


def edit(path: str | Path, change: Callable[[str], str]) -> None:
    """Change the text of a file; a change that changes nothing is a mistake of the test."""
    before = Path(path).read_text(encoding="utf-8")
    after = change(before)
    assert after != before
    Path(path).write_text(after, encoding="utf-8")


def replaced(path: str | Path, old: str, new: str) -> None:
    """Replace a text in a file wherever it stands."""
    edit(path, lambda text: text.replace(old, new))


def change_column(path: str | Path, label: str, change: Callable[[int, str], str]) -> None:
    """Change the values of a column in the loop that has it: by row, from 0, and by what stands there."""

    def changed(text: str) -> str:
        for loop in _LOOP.finditer(text):
            labels = re.findall(r"(?m)^_(\S+)", loop[0])
            if label in labels:
                at = labels.index(label)
                end = re.search(r"\n\s*(?:\n|\Z)", text[loop.end() :])
                stop = loop.end() + (end.start() if end else len(text) - loop.end())
                rows = [line.split() for line in text[loop.end() : stop].split("\n") if line.strip()]
                for number, row in enumerate(rows):
                    row[at] = change(number, row[at])
                return f"{text[: loop.end()]}{chr(10).join(map(chr(32).join, rows))}\n{text[stop:]}"
        raise AssertionError(f"no column {label}")

    edit(path, changed)


def add_column(path: str | Path, beside: str, label: str, value: Callable[[int], str]) -> None:
    """Add a column before another one."""
    change_column(path, beside, lambda row, old: f"{value(row)} {old}")
    edit(path, lambda text: re.sub(rf"(?m)^(_{beside}\b.*\n)", rf"_{label}\n\1", text, count=1))


def volumes(out: str | Path = "out") -> dict[str, bytes]:
    """Read the files of all particles."""
    folder = Path(out) / "Subtomograms"
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.mrc"))}


@pytest.fixture(scope="session")
def _example(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    folder = tmp_path_factory.mktemp("example") / "empiar-10499"
    shutil.copytree(repository / "examples/empiar-10499", folder)
    lines = (folder / "particles.star").read_text(encoding="utf-8").split("\n")
    first = next(i for i, line in enumerate(lines) if line.startswith("TS_254 "))
    (folder / "particles.star").write_text("\n".join(lines[: first + PARTICLES]) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def project(_example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh copy of the example with its first particles, as the current folder."""
    folder = tmp_path / "project"
    shutil.copytree(_example, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def whole_project(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh copy of the example with all particles, as the current folder."""
    folder = tmp_path / "project"
    shutil.copytree(repository / "examples/empiar-10499", folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def untouched(_example: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The volumes of the untouched project."""
    folder = tmp_path_factory.mktemp("untouched")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(_example)
        assert extract(out=f"{folder}/out/") == 0
    return volumes(folder / "out")
