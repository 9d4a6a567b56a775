"""The verbs of particles in one common frame, on threads: results do not depend on their number."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.cache import compiled_here
from subtomo.backends.classes import ClassBackend

with compiled_here():
    from subtomo.backends.cpu.class_sums import (
        add_class_costs,
        add_shared_residuals,
        add_shares,
    )

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]

_PARTS = 16


class CpuClasses(ClassBackend):
    """Compiled loops, single precision where sums allow it."""

    def class_costs(
        self, data: Float32, weights: Float32, precision: Float32, models: Float32, rows: Int, threads: int
    ) -> Float:
        """See `ClassBackend`."""
        costs = np.zeros((len(data), len(models)))

        def work(first: int, last: int) -> None:
            part = slice(first, last)
            add_class_costs(data[part], weights[part], precision, models, rows[part], costs[part])

        _over(len(data), threads, work)
        return costs

    def shared_sums(self, data: Float32, weights: Float32, shares: Float, threads: int) -> tuple[Float, Float]:
        """See `ClassBackend`."""
        n_sums, m = shares.shape[1], weights.shape[1]
        data_sums, weight_sums = np.zeros((n_sums, m, 2)), np.zeros((n_sums, m))
        _over(m, threads, lambda first, last: add_shares(data, weights, shares, first, last, data_sums, weight_sums))
        return data_sums, weight_sums

    def shared_residuals(
        self, data: Float32, weights: Float32, models: Float32, shares: Float, shells: Int, threads: int
    ) -> tuple[Float, Float]:
        """See `ClassBackend`."""
        power, weight = np.zeros((2, len(data), int(shells.max(initial=0)) + 1))

        def work(first: int, last: int) -> None:
            part = slice(first, last)
            add_shared_residuals(data[part], weights[part], models, shares[part], shells, power[part], weight[part])

        _over(len(data), threads, work)
        return power, weight


def _over(n: int, threads: int, work: Callable[[int, int], None]) -> None:
    """Divide a range into parts, the same for any number of threads."""
    step = -(-n // _PARTS)
    parts = [(first, min(first + step, n)) for first in range(0, n, step)] if n else []
    if threads <= 1:
        for first, last in parts:
            work(first, last)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="classify") as pool:
        list(pool.map(lambda part: work(*part), parts))
