"""What a run tells whoever is watching it."""

from __future__ import annotations

from typing import Protocol


class ProgressListener(Protocol):
    """Receives the progress of a run, always from the thread that started it."""

    def start(self, total: int) -> None:
        """Hear the number of particles to be extracted."""

    def advance(self, name: str) -> None:
        """Hear that a particle is done."""

    def note(self, message: str) -> None:
        """Hear something worth knowing."""

    def warn(self, message: str) -> None:
        """Hear something that is probably not what the user wanted."""

    def stop(self) -> None:
        """Hear that the run has ended, well or badly."""


class Silent:
    """Listens and says nothing."""

    def start(self, total: int) -> None:
        """Ignore the number of particles."""

    def advance(self, name: str) -> None:
        """Ignore a finished particle."""

    def note(self, message: str) -> None:
        """Ignore a note."""

    def warn(self, message: str) -> None:
        """Ignore a warning."""

    def stop(self) -> None:
        """Ignore the end."""
