"""The page on the architecture names every file, so that a reader who looks for one finds its room."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = sorted(path.name for path in (ROOT / "src/subtomo").iterdir() if (path / "__init__.py").exists())


def files_named(text: str, room: str) -> list[str]:
    """List the file names, some of them patterns, in the part of the tree that belongs to a room."""
    start = re.search(rf"^ {{6}}(?:[a-z]+/ )*{room}/", text, re.MULTILINE)
    assert start is not None, f"docs/architecture.md has no room {room}/"
    following = re.search(r"^ {6}[a-z]+/|^## ", text[start.end() :], re.MULTILINE)
    assert following is not None
    return re.findall(r"[\w*]+\.py", text[start.end() : start.end() + following.start()])


@pytest.mark.parametrize("room", ROOMS)
def test_every_file_of_a_room_is_named(room: str) -> None:
    named = files_named((ROOT / "docs/architecture.md").read_text(), room)
    files = [path for path in sorted((ROOT / "src/subtomo" / room).rglob("*.py")) if path.name != "__init__.py"]
    missing = [str(path.relative_to(ROOT)) for path in files if not any(fnmatch(path.name, name) for name in named)]
    assert not missing, f"docs/architecture.md does not name {', '.join(missing)}"
    gone = [name for name in named if not any(fnmatch(path.name, name) for path in files)]
    assert not gone, f"docs/architecture.md names {', '.join(gone)} in {room}/, which are not there"
