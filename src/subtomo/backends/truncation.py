"""Reading mapped files without dying of a signal when somebody truncates them meanwhile.

Memory that maps what is no longer in its file cannot be read: the system sends SIGBUS, which ends the process. To copy
each patch by a system call instead costs a quarter of an extraction's time. So the signal is caught, and the missing
page reads as zeros; who reads mapped files must afterwards see whether they are still the same.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

from subtomo.backends.cache import compiled_here

_WITH_INFORMATION = 4
"""SA_SIGINFO: the handler is told of the address."""
_ON_STACK, _RESTART = 0x08000000, 0x10000000


class _Action(ctypes.Structure):
    """``struct sigaction`` of Linux's C libraries."""

    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_ulong * (128 // ctypes.sizeof(ctypes.c_ulong))),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


@cache
def survive_truncation() -> bool:
    """From now on read zeros where mapped files became shorter, in the whole process; False if the system differs."""
    if not sys.platform.startswith("linux") or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    with compiled_here():
        from subtomo.backends.cpu.bus_error import SIGBUS, on_bus_error
    action = _Action(handler=on_bus_error.address, flags=_WITH_INFORMATION | _ON_STACK | _RESTART)
    return bool(ctypes.CDLL(None).sigaction(SIGBUS, ctypes.byref(action), None) == 0)
