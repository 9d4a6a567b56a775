"""Whole projects with something damaged, by number: what is damaged, how, and which command meets it."""

from __future__ import annotations

import random
import re
import shutil
import socket
import struct
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.seeds import STAR_WORDS
from tests.helpers.project import write_project

SIZES = ("--b", "16", "--crop", "12", "--j", "1")
STAR_FILES = ("tomograms.star", "particles.star", "motion.star", "TS_1.star", "TS_2.star")
IMAGES = ("TS_1.mrcs", "TS_2.mrcs")
JOURNAL, ACCOUNT, LOCK = "out/.subtomo/journal.jsonl", "out/extraction_summary.json", "out/.subtomo/lock"
MADE = ("out/particles.star", "out/optimisation_set.star", "out/Subtomograms/TS_1/1_data.mrc",
        "out/Subtomograms/TS_2/3_weights.mrc")  # fmt: skip
NUMBERS = (
    "0", "-0", "-1", "1", "2", "1e300", "-1e300", "1e-300", "1e999", "nan", "inf", "-inf", "9223372036854775807",
    "9223372036854775808", "-9223372036854775808", "4294967296", "0x10", "1_0", "1e5", "3.5", "", "'", '"', "a b",
    "\u0663", "../x", "/etc/passwd", "\x9b", "\u202e", "9" * 400, "1" * 5000, "[1,2,3]", "[]", "[1", "TS_1", "TS_9",
    "1@TS_2.mrcs", "0@TS_1.mrcs", "99@TS_1.mrcs", "@", "1@", "TS_1/1", "a" * 300, "a/" * 300, "\u00e9",
)  # fmt: skip
"""What stands in the place of a value."""
JSON = (
    "null", "true", "[]", "{}", "[[]]", '{"a": 1}', '""', '"x"', "1e999", "-1", "NaN", "0", "1.5", '"\\ud800"',
    "[" * 5000, '{"settings": null}', '["TS_1/1", []]', '[{}, "x"]', '["TS_1/1"]', '{"journal": 1}', '{"journal": 99}',
    "9" * 5000, "\x00", "\xff",
)  # fmt: skip
_LEFT_LOCK = f'{{"pid": 999999999, "host": "{socket.gethostname()}", "started": "2026-01-01T00:00:00+00:00"}}'.encode()
EXTREME = (0, 1, -1, 2, 3, 4, 5, 6, 12, 101, 127, 128, 1024, 65535, 65536, 2**30, 2**31 - 1, -(2**31))

COMMANDS: tuple[tuple[str, ...], ...] = (
    ("extract", "--t", "tomograms.star", "--p", "particles.star", *SIZES, "--o", "out/"),
    ("extract", "--t", "tomograms.star", "--p", "particles.star", "--mot", "motion.star", *SIZES, "--o", "out/"),
    ("extract", "--t", "tomograms.star", "--p", "particles.star", *SIZES, "--o", "out/", "--stack2d", "--float16"),
    ("doctor", "--t", "tomograms.star", "--p", "particles.star", "--mot", "motion.star", "--headers-only"),
    ("doctor", "--t", "tomograms.star", "--p", "particles.star", "--b", "16", "--headers-only", "--o", "out/"),
)
"""Of a project without results."""
LATER: tuple[tuple[str, ...], ...] = (
    (*COMMANDS[0], "--resume"),
    (*COMMANDS[0], "--only_do_unfinished"),
    (*COMMANDS[0], "--resume", "--sum"),
    ("extract", "--i", "out/optimisation_set.star", *SIZES, "--o", "out/"),
    ("export", "--p", "out/particles.star", "--o", "out/x.star"),
    ("compare", "out", "."),
)
"""Of one with results."""
RARE: tuple[tuple[str, ...], ...] = (
    ("average", "--from-tilts", "--t", "tomograms.star", "--p", "particles.star", *SIZES, "--o", "out/"),
)
RARE_LATER: tuple[tuple[str, ...], ...] = (
    ("report", "out"),
    ("average", "--p", "out/particles.star", "--o", "out/"),
)
"""These take longer."""
RARELY = 0.04


class Project:
    """A project that can be damaged and mended again.

    Args:
        folder: To be made; results of an extraction are put into its folder ``out``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        write_project(folder)
        self._inputs = {name: (folder / name).read_bytes() for name in (*STAR_FILES, *IMAGES)}
        self._results = folder.parent / "results"

    def keep_results(self) -> None:
        """Remember what an extraction has made."""
        shutil.copytree(self.folder / "out", self._results, dirs_exist_ok=True)

    def mend(self, *, with_results: bool) -> None:
        """Put everything back as it was."""
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        for name, content in self._inputs.items():
            if not (self.folder / name).is_file() or (self.folder / name).read_bytes() != content:
                (self.folder / name).write_bytes(content)
        if with_results:
            shutil.copytree(self._results, self.folder / "out")

    def outside(self) -> dict[str, tuple[int, int]]:
        """List all files beside the results, with size and time."""
        found = {}
        for path in self.folder.parent.rglob("*"):
            inner = path.relative_to(self.folder.parent).parts
            if inner[:2] != (self.folder.name, "out") and path.is_file():
                found["/".join(inner)] = (path.stat().st_size, path.stat().st_mtime_ns)
        return found


def damage(seed: int, folder: Path) -> tuple[str, ...]:
    """Damage one to three files of a project, and give the command that is to meet them.

    Args:
        seed: Decides everything; whether results are wanted is `needs_results`.
        folder: Of the project, as `Project.mend` leaves it.
    """
    rng = random.Random(seed)
    later = needs_results(seed)
    is_rare = rng.random() < RARELY
    commands = (RARE_LATER if is_rare else LATER) if later else RARE if is_rare else COMMANDS
    command = rng.choice(commands)
    files = (JOURNAL, ACCOUNT, LOCK, *MADE, *STAR_FILES, *IMAGES) if later else (*STAR_FILES, *IMAGES)
    weights = [3 if name in (JOURNAL, ACCOUNT) else 1 for name in files]
    for name in rng.choices(files, weights, k=rng.choice((1, 1, 2, 3))):
        path = folder / name
        content = path.read_bytes() if path.is_file() else _LEFT_LOCK if name == LOCK else b""
        path.write_bytes(_damaged(name, content, rng))
    return command


def needs_results(seed: int) -> bool:
    """Whether the project of a number has results of an earlier run."""
    return seed % 2 == 1


def _damaged(name: str, content: bytes, rng: random.Random) -> bytes:
    special: dict[str, tuple[Callable[[bytes, random.Random], bytes], ...]] = {
        ".star": (_value, _value, _value, _label, _line),
        ".mrcs": (_header, _header, _pixels),
        ".mrc": (_header, _header, _pixels),
        ".json": (_json, _json, _line),
        ".jsonl": (_json, _json, _line),
    }
    ways = (*special.get(Path(name).suffix, (_json,)), _bytes)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        content = rng.choice(ways)(content, rng)
    return content


def _bytes(content: bytes, rng: random.Random) -> bytes:
    """Cut, overwrite, insert, repeat or drop."""
    start = rng.randint(0, len(content))
    stop = min(len(content), start + rng.randint(0, 60))
    piece = rng.choice((rng.randbytes(rng.randint(1, 20)), rng.choice(STAR_WORDS)))
    return rng.choice(
        (
            content[:start],
            content[:start] + piece + content[start + len(piece) :],
            content[:start] + piece + content[start:],
            content[:start] + content[start:stop] * rng.randint(2, 40) + content[start:],
            content[:start] + content[stop:],
            b"",
        )
    )


def _value(content: bytes, rng: random.Random) -> bytes:
    """Put another value in the place of a word of a table."""
    words = list(re.finditer(rb"(?m)(?<=\s)[^\s_#][^\s]*", content))
    if not words:
        return content
    word = rng.choice(words)
    return content[: word.start()] + rng.choice(NUMBERS).encode() + content[word.end() :]


def _label(content: bytes, rng: random.Random) -> bytes:
    """Rename, repeat or drop a label."""
    labels = list(re.finditer(rb"(?m)^_(\S+)[^\n]*\n", content))
    if not labels:
        return content
    one, other = rng.choice(labels), rng.choice(labels)
    new = rng.choice((b"", one[0] + other[0], b"_rlnNobodyKnows\n", other[0]))
    return content[: one.start()] + new + content[one.end() :]


def _line(content: bytes, rng: random.Random) -> bytes:
    """Drop, repeat or move a line."""
    lines = content.split(b"\n")
    at = rng.randrange(len(lines))
    line = lines.pop(at)
    where = rng.randint(0, len(lines))
    return b"\n".join(
        rng.choice((lines, [*lines[:at], line, line, *lines[at:]], [*lines[:where], line, *lines[where:]]))
    )


def _header(content: bytes, rng: random.Random) -> bytes:
    """Give a number of an MRC header another value."""
    word = rng.choice([0, 1, 2, 3, 7, 8, 9, 10, 11, 12, 16, 17, 18, 22, 23, 24, 26, 52, 53])
    return content[: 4 * word] + struct.pack("<i", rng.choice(EXTREME)) + content[4 * word + 4 :]


def _pixels(content: bytes, rng: random.Random) -> bytes:
    """Put values that no camera gives among the pixels."""
    value = struct.pack("<f", rng.choice((float("nan"), float("inf"), 3e38, -3e38, 1e-40, 0.0)))
    start = 1024 + 4 * rng.randint(0, max(0, (len(content) - 1024) // 4))
    return content[:start] + value * rng.choice((1, 100, 100_000))


def _json(content: bytes, rng: random.Random) -> bytes:
    """Put another value in the place of one in JSON."""
    values = list(re.finditer(rb'"[^"\n]*"|-?\d[\d.e+-]*|true|false|null|\[\]|\{\}', content))
    if not values or rng.random() < 0.1:
        return rng.choice(JSON).encode("utf-8", "surrogatepass")
    value = rng.choice(values)
    return content[: value.start()] + rng.choice(JSON).encode("utf-8", "surrogatepass") + content[value.end() :]
