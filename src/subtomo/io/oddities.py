"""What headers of images say that is probably not meant: told by every reader in the same words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from subtomo.io.reading import warn
from subtomo.words import listed


@dataclass(frozen=True)
class Oddity:
    """Something in a header that is probably not meant."""

    kind: str
    """One or two words, the same for all of a kind."""
    what: str
    """To follow the name of the file."""
    advice: str
    is_error: bool = False
    """Whether results are wrong if it means what it says."""


class ImageHeader(Protocol):
    """What is known of an image file before its pixels are read."""

    @property
    def path(self) -> str:
        """The file."""

    @property
    def nx(self) -> int:
        """Width, pixels."""

    @property
    def ny(self) -> int:
        """Height, pixels."""

    @property
    def nz(self) -> int:
        """Number of sections."""

    @property
    def pixel_size_angstrom(self) -> float:
        """Along x; 0 if the header gives none that makes sense."""

    @property
    def oddities(self) -> tuple[Oddity, ...]:
        """What is probably not meant."""


def grouped(headers: Iterable[ImageHeader]) -> list[tuple[list[str], Oddity]]:
    """Collect the oddities of several files, those of one kind together with their files, in the words of the first."""
    kinds: dict[str, tuple[list[str], Oddity]] = {}
    for header in headers:
        for oddity in header.oddities:
            kinds.setdefault(oddity.kind, ([], oddity))[0].append(header.path)
    return list(kinds.values())


def warn_of(headers: Iterable[ImageHeader]) -> None:
    """Warn of what is odd about some files, once for each kind."""
    for paths, oddity in grouped(headers):
        also = f" (and {listed(paths[1:], 2)} likewise)" if len(paths) > 1 else ""
        warn(f"{paths[0]}: {oddity.what}{also}; {oddity.advice}")
