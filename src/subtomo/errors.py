"""What can be wrong with the user's input: every error here ends a command with exit code 1 and one clear message."""

from __future__ import annotations


class SubtomoError(Exception):
    """Base of all errors that the user can mend.

    Args:
        message: What is wrong. Invisible characters, as damaged files hold, are shown by their codes.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__("".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in message))


class InputError(SubtomoError):
    """A file, a STAR table or an image is missing, damaged or inconsistent."""


class AbortedError(SubtomoError):
    """Someone outside asked for the run to stop."""


class SettingsError(SubtomoError):
    """An option has a value that makes no sense, or two options contradict each other."""
