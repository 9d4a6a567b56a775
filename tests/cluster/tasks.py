"""Functions that workers run; they import this module, and nothing of Dask."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def double(number: int) -> int:
    return 2 * number


def fail_on_seven(number: int) -> int:
    if number == 7:
        raise ValueError("seven is too much")
    return number


def die_once(task: tuple[int, str]) -> int:
    number, marker = task
    if number == 3 and not os.path.exists(marker):
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return number


def dies(task: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return task


def sleeps(task: int) -> int:
    time.sleep(0.2)
    return task
