"""Particles that cannot be made: the first of each kind is reported at once, equal ones are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from subtomo.model.account import Failure

_KINDS_REPORTED = 10


class Failures:
    """What went wrong in a run.

    Args:
        warn: Hears of it.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._by_error = Counter[str]()
        self.all: list[Failure] = []

    def add(self, failure: Failure) -> None:
        """Keep a failure, and say what went wrong if that is new, until it becomes tiring."""
        self.all.append(failure)
        self._by_error[failure.error] += 1
        if self._by_error[failure.error] > 1 or len(self._by_error) > _KINDS_REPORTED:
            return
        self._warn(f"{failure.particle} cannot be made: {failure.error}")
        if len(self._by_error) == _KINDS_REPORTED:
            self._warn("failures of further kinds are listed in the account of the run only")

    def count_equal_ones(self) -> None:
        """Say how many particles failed in the same way."""
        for error, count in self._by_error.most_common(_KINDS_REPORTED):
            if count > 1:
                self._warn(f"{count} particles cannot be made for one and the same cause: {error}")
