"""A signal becomes an exception only where no lock changes hands: otherwise those who wait for it would never end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

import pytest

from subtomo.cli.interrupts import interrupts
from subtomo.jobs.signals import TerminatedError, termination_as_error


class Lock:
    """A lock during whose taking, or giving back, a signal comes."""

    def __init__(self, number: signal.Signals, *, entering: bool) -> None:
        self._lock, self._number, self._entering = threading.Lock(), number, entering

    def __enter__(self) -> None:
        self._lock.acquire()
        if self._entering:
            signal.raise_signal(self._number)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._entering:
            signal.raise_signal(self._number)
        self._lock.release()

    def is_free(self) -> bool:
        return self._lock.acquire(blocking=False)


@contextmanager
def handling(number: signal.Signals, outermost: Callable[..., object]) -> Iterator[None]:
    """Handle a signal as the command does."""
    before = signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)
    try:
        if number is signal.SIGINT:
            with interrupts(outermost.__code__, is_process=False):
                yield
        else:
            with termination_as_error(outermost.__code__):
                yield
    finally:
        signal.signal(number, before)


def wait() -> None:
    threading.Event().wait(5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("entering", [True, False])
def test_a_signal_while_a_lock_changes_hands_leaves_it_free(number: signal.Signals, entering: bool) -> None:
    lock = Lock(number, entering=entering)

    def work() -> None:
        with lock:
            pass
        wait()

    alarm = signal.getsignal(signal.SIGALRM)
    with pytest.raises((KeyboardInterrupt, TerminatedError)), handling(number, work):
        work()
    assert lock.is_free()
    assert signal.getsignal(signal.SIGALRM) == alarm
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_signal_in_a_waiting_condition_takes_its_lock_back() -> None:
    """The place is between letting go of the lock and the block that takes it back."""
    condition = threading.Condition()
    letting_go = condition._release_save  # type: ignore[attr-defined]

    def letting_go_with_signal() -> object:
        state = letting_go()
        signal.raise_signal(signal.SIGTERM)
        return state

    condition._release_save = letting_go_with_signal  # type: ignore[attr-defined]

    def work() -> None:
        with condition:
            condition.wait(5)

    with handling(signal.SIGTERM, work), pytest.raises(TerminatedError):
        work()
    with condition:
        condition.notify_all()


def test_an_end_that_nothing_was_left_to_hear_of_is_forgotten() -> None:
    lock = Lock(signal.SIGTERM, entering=False)

    def work() -> None:
        with lock:
            pass

    heard: list[FrameType | None] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: heard.append(frame))
    try:
        with handling(signal.SIGTERM, work):
            work()
        threading.Event().wait(0.05)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert heard == []
