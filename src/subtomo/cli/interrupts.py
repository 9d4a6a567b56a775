"""Ctrl-C at any time: one line and exit code 130, also while modules are imported."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType

from subtomo.interruption import Interruption

EXIT_CODE = 130
MESSAGE = "error: interrupted"
_REPEATED_SECONDS = 0.5
"""Within this time a second interrupt is the same one: `timeout` and terminals send some twice."""
_SHOW_CURSOR = "\x1b[?25h"


class _Interrupts:
    """Handles SIGINT: raises KeyboardInterrupt where that is safe, and ends the process when asked again.

    Args:
        interruption: Raises.
        is_process: Whether the process is the command's own.
    """

    def __init__(self, interruption: Interruption, *, is_process: bool) -> None:
        self._interruption, self._is_process = interruption, is_process
        self._asked = 0.0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Hear of an interrupt."""
        now = time.monotonic()
        if self._asked and self._is_process:
            if now - self._asked > _REPEATED_SECONDS:
                self._end()
            return
        self._asked = now
        self._interruption.ask(KeyboardInterrupt(), frame)

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

    An interrupt waits for a place that can stand it (`subtomo.interruption`). Asked a second time, the process ends at
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
    interruption = Interruption(outermost)
    signal.signal(signal.SIGINT, _Interrupts(interruption, is_process=is_process))
    try:
        yield
    finally:
        interruption.forget()
        signal.signal(signal.SIGINT, signal.SIG_DFL if is_process else before)
