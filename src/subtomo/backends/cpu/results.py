"""Memory for results that goes round: pages fresh from the system cost more than filling them."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

_MOST_KEPT = 4
"""Results that wait to be written while the next is computed; memory of more than these is given back."""


class ResultMemory:
    """Lends arrays of one shape, and lends their memory again once the array and all its views are gone."""

    def __init__(self, *shape: int) -> None:
        self._shape = shape
        self._kept: deque[Float32] = deque(maxlen=_MOST_KEPT)

    def lend(self) -> Float32:
        """Give an array, of which nobody else has any part; its values are arbitrary."""
        try:
            memory = self._kept.pop()
        except IndexError:
            memory = np.empty(math.prod(self._shape), np.float32)
        return np.asarray(_Loan(memory, self._kept)).reshape(self._shape)


class _Loan:
    """What an array that was lent and its views hold on to."""

    def __init__(self, memory: Float32, kept: deque[Float32]) -> None:
        self.__array_interface__: dict[str, Any] = memory.__array_interface__
        self._memory, self._kept = memory, kept

    def __del__(self) -> None:
        self._kept.append(self._memory)
