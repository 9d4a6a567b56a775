"""The specification in docs/spec: whatever the code cites of it exists."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from subtomo.conventions import QUIRKS

FOLDERS = {"src": ("*.py",), "tests": ("*.py",), "docs": ("*.md",), "benchmarks": ("*.py",), "examples": ("*.py",)}
SECTION = re.compile(r"^#{2,3} (\d+(?:\.\d+)?)\.? .*\{#([\d.]+)\}$", re.MULTILINE)
CITED_SECTION = re.compile(r"§\s?(\d+(?:\.\d+)?)")
CITED_FILE = re.compile(r"\bspec/([\w-]+\.(?:md|csv))")
CITED_QUIRK = re.compile(r"\bquirks?[ _](\d+)(?!\d)", re.IGNORECASE)
LABEL = re.compile(r"[\"'`_](rln[A-Z]\w*)[\"'`]")


@pytest.fixture(scope="module")
def spec(repository: Path) -> Path:
    return repository / "docs" / "spec"


@pytest.fixture(scope="module")
def conventions(spec: Path) -> str:
    return (spec / "conventions.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sources(repository: Path) -> dict[str, str]:
    """The text of everything that may cite, by its path in the repository."""
    return dict(_sources(repository))


def _sources(repository: Path) -> Iterator[tuple[str, str]]:
    paths = [repository / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    for folder, patterns in FOLDERS.items():
        paths += [path for pattern in patterns for path in sorted((repository / folder).rglob(pattern))]
    for path in paths:
        if path != Path(__file__):
            yield str(path.relative_to(repository)), path.read_text(encoding="utf-8")


def numbered_quirks(conventions: str) -> set[int]:
    """List the numbers of the quirks in §12."""
    section = conventions.split("{#12}", 1)[1].split("\n## ", 1)[0]
    return {int(number) for number in re.findall(r"^(\d+)\. ", section, re.MULTILINE)}


def citations(pattern: re.Pattern[str], sources: dict[str, str]) -> set[tuple[str, str]]:
    """List what is cited, with where."""
    return {(path, match) for path, text in sources.items() for match in pattern.findall(text)}


def test_every_section_has_its_number_as_its_anchor(conventions: str) -> None:
    found = SECTION.findall(conventions)
    assert [number for number, anchor in found if number != anchor] == []
    assert len({number for number, _ in found}) == len(found) == len(re.findall(r"^#{2,3} ", conventions, re.MULTILINE))
    assert {int(number) for number, _ in found if "." not in number} == set(range(1, 15))


def test_every_section_that_is_cited_exists(conventions: str, sources: dict[str, str]) -> None:
    sections = {number for number, _ in SECTION.findall(conventions)}
    cited = citations(CITED_SECTION, sources)
    assert len([path for path, _ in cited if path.startswith("src")]) > 50
    assert {(path, number) for path, number in cited if number not in sections} == set()


def test_every_page_of_the_specification_that_is_cited_exists(spec: Path, sources: dict[str, str]) -> None:
    cited = citations(CITED_FILE, sources)
    assert {(path, name) for path, name in cited if not (spec / name).is_file()} == set()
    assert {name for _, name in cited} >= {"conventions.md", "cost.md"}
    assert {path for path, text in sources.items() if re.search(r"relion-conventions|cost-fidelity", text)} == set()


def test_every_quirk_that_is_cited_is_one_of_the_list(conventions: str, sources: dict[str, str]) -> None:
    quirks = numbered_quirks(conventions)
    assert quirks == {quirk.number for quirk in QUIRKS}
    assert {(path, number) for path, number in citations(CITED_QUIRK, sources) if int(number) not in quirks} == set()


def test_every_page_of_the_specification_is_on_the_site(spec: Path, repository: Path) -> None:
    navigation = (repository / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page.name for page in spec.glob("*.md") if f"spec/{page.name}" not in navigation] == []


def test_labels_that_the_package_reads_and_writes_are_labels_of_relion(spec: Path, sources: dict[str, str]) -> None:
    with (spec / "relion-labels.csv").open(newline="", encoding="utf-8") as stream:
        known = {row["label"] for row in csv.DictReader(stream)}
    used = {(path, label) for path, label in citations(LABEL, sources) if path.startswith("src")}
    assert len({label for _, label in used}) > 50
    assert {(path, label) for path, label in used if label not in known} == set()


def test_the_page_of_labels_counts_them(spec: Path) -> None:
    with (spec / "relion-labels.csv").open(newline="", encoding="utf-8") as stream:
        types = [row["type"] for row in csv.DictReader(stream)]
    page = (spec / "labels.md").read_text(encoding="utf-8")
    assert f"the {len(types)} labels" in page
    stated = re.findall(r"^\| (\w+) \| (\d+) \|", page, re.MULTILINE)
    assert {kind: int(number) for kind, number in stated} == {kind: types.count(kind) for kind in set(types)}
