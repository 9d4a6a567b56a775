"""Where a signal may become an exception without leaving a lock held, an import broken, or going unheard."""

from __future__ import annotations

import signal
import threading
from types import CodeType, FrameType

TYPE_CHECKING = False  # the module typing takes longer than all else here
if TYPE_CHECKING:
    from typing import Any

RETRY_SECONDS = 0.02
_CALLBACKS = frozenset(("__del__", "weakref_cb", "_raw_object_cache_notify"))
"""Functions called from where no exception can get out: the interpreter would print it and go on."""
_IMPORTING = "<frozen importlib._bootstrap>"
_AROUND_BLOCKS = ("__enter__", "__exit__")


class Interruption:
    """Raises an exception in the main thread as soon as it is at a place that can stand one.

    Modules of C++ and such that look for their libraries take an exception for a failure of their own, or end the
    process; those who wait for a lock that the main thread took and lost would wait for ever.

    Args:
        outermost: The function from which the rest of the program is called; its callers may do what they like.
    """

    def __init__(self, outermost: CodeType) -> None:
        self._outermost = outermost
        self._before: Any = None  # the handler of SIGALRM, while ours is in its place

    def ask(self, error: BaseException, frame: FrameType | None) -> None:
        """Raise the error, or look again a little later; to be called in a signal's handler.

        Args:
            error: To raise.
            frame: That the signal interrupted.
        """
        if not self._is_delicate(frame):
            self.forget()
            raise error
        before = signal.signal(signal.SIGALRM, lambda number, frame: self.ask(error, frame))
        if self._before is None:
            self._before = signal.SIG_DFL if before is None else before
        signal.setitimer(signal.ITIMER_REAL, RETRY_SECONDS)

    def forget(self) -> None:
        """Raise nothing later."""
        if self._before is not None:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, self._before)
            self._before = None

    def _is_delicate(self, frame: FrameType | None) -> bool:
        """Tell whether a module is being imported, a callback runs, or a lock changes hands."""
        if frame is not None and frame.f_code.co_name in _AROUND_BLOCKS:
            return True
        while frame is not None and frame.f_code is not self._outermost:
            code = frame.f_code
            if code.co_filename == _IMPORTING or code.co_name in _CALLBACKS or _lets_go_of_lock(frame):
                return True
            frame = frame.f_back
        return False


def _lets_go_of_lock(frame: FrameType) -> bool:
    """Tell whether `threading.Condition.wait` has let go of its lock and not yet begun what takes it back."""
    return frame.f_code is threading.Condition.wait.__code__ and "gotit" not in frame.f_locals
