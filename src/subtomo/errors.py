"""What can be wrong with the user's input: every error here ends a command with exit code 1 and one clear message."""

from __future__ import annotations

from subtomo.words import printable


class SubtomoError(Exception):
    """Base of all errors that the user can mend.

    A message names a setting as a program does: ``box size (box_size) is 31``, or with a value, ``whiten=True``. The
    command line puts its options in the place of such names, so no message has to know them.

    Args:
        message: What is wrong. Invisible characters, as damaged files hold, are shown by their codes.
        field: Names of the settings or arguments that have to change.
    """

    def __init__(self, message: str = "", *, field: str | tuple[str, ...] = ()) -> None:
        super().__init__(printable(message))
        self.fields: tuple[str, ...] = (field,) if isinstance(field, str) else field


class InputError(SubtomoError):
    """A file, a STAR table or an image is missing, damaged or inconsistent."""


class OutputError(SubtomoError):
    """Something cannot be written any more: the disk is full, or the like. What is finished stays."""


class AbortedError(SubtomoError):
    """Someone outside asked for the run to stop."""


class SettingsError(SubtomoError):
    """A setting has a value that makes no sense, or two settings contradict each other."""


class InputWarning(UserWarning):
    """Input that can be read, but is probably not what is meant, or is not what other programs would read."""
