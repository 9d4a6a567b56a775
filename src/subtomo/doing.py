"""What a program was doing when something unexpected happened: noted on the error as it passes by."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any, TypeVar, cast

from subtomo.errors import SubtomoError

Function = TypeVar("Function", bound=Callable[..., Any])


class doing:  # noqa: N801 - reads as a word in a with statement
    """Notes on an unexpected error that leaves the block what was being done to which file.

    Errors that the user can mend name their file themselves.

    Args:
        what: As it follows "while": ``reading``.
        path: The file, or what else it was done to.
    """

    __slots__ = ("_path", "_what")

    def __init__(self, what: str, path: object = "") -> None:
        self._what, self._path = what, path

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Note it."""
        if isinstance(error, Exception) and not isinstance(error, SubtomoError):
            error.add_note(f"{self._what} {self._path}".rstrip())


def doing_to_file(what: str) -> Callable[[Function], Function]:
    """Decorate a function whose first argument is the path of the file that it does something to.

    Args:
        what: What it does, as it follows "while".
    """

    def decorated(function: Function) -> Function:
        @wraps(function)
        def noting(*arguments: Any, **named: Any) -> Any:
            with doing(what, next(iter((*arguments, *named.values())), "")):
                return function(*arguments, **named)

        return cast(Function, noting)

    return decorated


def what_was_done(error: BaseException) -> str:
    """Give the innermost note on an error or on what it was raised from: ``reading particles.star``, or nothing."""
    seen: BaseException | None = error
    while seen is not None:
        notes = getattr(seen, "__notes__", None)
        if notes:
            return str(notes[0])
        seen = seen.__cause__ or seen.__context__
    return ""
