"""Which tilt series a name of another program means: ``rec_TS_007.mrc`` may be ``TS_7``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from subtomo.errors import InputError
from subtomo.words import listed, nearest, shown

_FOLDERS = re.compile(r".*[/\\]", re.DOTALL)
_ENDINGS = re.compile(
    r"\.(tomostar|mrcs?|map|rec|st|ali|aln|xml|star|em|mod|tbl|xf|tiff?|hdf|zarr|json|ndjson|txt|csv|mdoc)$", re.I
)
_ADDITIONS = re.compile(
    r"([_-](vol|rec|full_rec|full|ali|aln|stack|tomo|recon(struction)?|evn|odd|even|half[12]|bin\d+|\d+(\.\d+)?apx|"
    r"flipx|rotx|corrected|denoised|filtered|sirt|particles?|picks?))$",
    re.I,
)
_BEGINNINGS = re.compile(r"^(rec|tomo(gram)?|aligned|ali)_", re.I)


@dataclass(frozen=True)
class MatchedName:
    """A known name, and by what it was found."""

    name: str
    decided_by: str = ""
    """Which part of the name decided; empty if the names are equal."""


def match_name(wanted: str, known: Iterable[str], kind: str = "tilt series") -> MatchedName:
    """Find the known name that a name means.

    Equal names come first, then names that are equal without folders, endings and what programs add (``rec_``,
    ``_Vol``, ``_10.00Apx``), then names with equal numbers, then names whose last number is equal.

    Args:
        wanted: As the other program has it.
        known: Names to choose from.
        kind: What they name, for messages.

    Raises:
        InputError: None or several are meant.
    """
    names = list(dict.fromkeys(known))
    for decided_by, key in _LEVELS:
        target = key(wanted)
        found = [name for name in names if target and key(name) == target]
        if len(found) == 1:
            return MatchedName(found[0], decided_by)
        if found:
            raise InputError(
                f"{shown(wanted)} may be {listed(found)}: these {kind} differ only in what programs add to names; "
                "rename them, or take one away"
            )
    raise InputError(f"no {kind} for {shown(wanted)}{nearest(wanted, names)}; there are: {listed(names) or 'none'}")


@lru_cache(maxsize=100_000)
def plain_name(name: str) -> str:
    """Take folders, endings and what programs add from a name."""
    text = _FOLDERS.sub("", name.strip())
    while True:
        shorter = _BEGINNINGS.sub("", _ADDITIONS.sub("", _ENDINGS.sub("", text)))
        if shorter in ("", text):
            return text
        text = shorter


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(int(word) for word in re.findall(r"\d+", plain_name(name)))


_LEVELS: tuple[tuple[str, Callable[[str], object]], ...] = (
    ("", lambda name: name),
    ("its name without folders, endings and additions", lambda name: plain_name(name).casefold()),
    ("its numbers", _numbers),
    ("its last number", lambda name: _numbers(name)[-1:]),
)
