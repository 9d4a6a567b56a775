"""End a run in order when a batch system or a terminal asks for its end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import CodeType, FrameType

from subtomo.interruption import Interruption


class TerminatedError(BaseException):
    """A signal asks for the end; no ordinary error, so that nothing takes it for the failure of a particle."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.exit_code = 128 + number


@contextmanager
def termination_as_error(outermost: CodeType, told: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Raise `TerminatedError` on SIGTERM and SIGHUP, once: cleaning up is not to be interrupted again.

    Signals that are ignored, as under nohup, stay ignored. Only the main thread can take signals; in others nothing
    changes.

    Args:
        outermost: The function whose callers' imports and callbacks do not count (`subtomo.interruption`).
        told: Called first, for some launchers leave no time to clean up. Its failure to write is ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interruption = Interruption(outermost)
    previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def end(number: int, frame: FrameType | None) -> None:
        for other in previous:
            signal.signal(other, signal.SIG_IGN)
        with suppress(OSError):
            told()
        interruption.ask(TerminatedError(number), frame)

    for number, handler in previous.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, end)
    try:
        yield
    finally:
        interruption.forget()
        for number, handler in previous.items():
            signal.signal(number, handler)
