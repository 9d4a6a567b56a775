"""Ctrl-C at any time: one line and exit code 130, also while modules are imported."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType

EXIT_CODE = 130
MESSAGE = "error: interrupted"
_REPEATED_SECONDS = 0.5
"""Within this time a second interrupt is the same one: `timeout` and terminals send some twice."""
_RETRY_SECONDS = 0.02
_DELICATE = frozenset(("__del__", "weakref_cb", "_raw_object_cache_notify"))
"""Functions called from where no exception can get out: the interpreter would print it and go on."""
_IMPORTING = "<frozen importlib._bootstrap>"
_SHOW_CURSOR = "\x1b[?25h"


class _Interrupts:
    """Handles SIGINT: raises KeyboardInterrupt where that is safe, and ends the process when asked again.

    Args:
        outermost: The function whose callers may do what they like.
        is_process: Whether the process is the command's own.
    """

    def __init__(self, outermost: CodeType, *, is_process: bool) -> None:
        self._outermost, self._is_process = outermost, is_process
        self._asked = 0.0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Hear of an interrupt."""
        now = time.monotonic()
        if self._asked and self._is_process:
            if now - self._asked > _REPEATED_SECONDS:
                self._end()
            return
        self._asked = now
        self._raise(number, frame)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt, or look again a little later."""
        if self._is_delicate(frame):
            signal.signal(signal.SIGALRM, self._raise)
            signal.setitimer(signal.ITIMER_REAL, _RETRY_SECONDS)
            return
        raise KeyboardInterrupt

    def _is_delicate(self, frame: FrameType | None) -> bool:
        """Tell whether a module is being imported, or a callback runs."""
        while frame is not None and frame.f_code is not self._outermost:
            if frame.f_code.co_filename == _IMPORTING or frame.f_code.co_name in _DELICATE:
                return True
            frame = frame.f_back
        return False

    def _end(self) -> None:
        """End at once; what is half-written has a name that shows it."""
        words = (_SHOW_CURSOR if os.isatty(2) else "") + MESSAGE + "\n"
        try:
            os.write(2, words.encode())
        finally:
            os._exit(EXIT_CODE)


@contextmanager
def interrupts(outermost: CodeType, *, is_process: bool) -> Iterator[None]:
    """Turn SIGINT into KeyboardInterrupt where that can be caught, as long as the block lasts.

    Modules of C++ and such that look for their libraries take an exception for a failure of their own, or end the
    process; therefore an interrupt waits until no module is being imported. Asked a second time, the process ends at
    once. An interrupt that is ignored, as in the background of a script, stays so.

    Args:
        outermost: The function from which the rest of the program is called; its callers' imports do not count.
        is_process: Whether the process is the command's own: then an interrupt after the block ends it silently.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    if before in (signal.SIG_IGN, None):
        yield
        return
    alarm = signal.getsignal(signal.SIGALRM)
    signal.signal(signal.SIGINT, _Interrupts(outermost, is_process=is_process))
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGALRM) != alarm:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, alarm or signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL if is_process else before)
