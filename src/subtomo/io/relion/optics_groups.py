"""Which row of the optics table belongs to a particle: the one of its group's number."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import InputError
from subtomo.io.reading import warn
from subtomo.model.table import Table
from subtomo.words import listed

_GROUP = "rlnOpticsGroup"


def in_order(optics: Table) -> Table:
    """Give the optics table sorted by the numbers of its groups.

    RELION takes group g for row g, whatever number that row has (spec/conventions.md §3.1). Sorted, both mean the same.

    Raises:
        InputError: A number occurs twice.
    """
    if _GROUP not in optics or not len(optics):
        return optics
    numbers = optics.whole_numbers(_GROUP)
    repeated = [number for number, count in Counter(numbers.tolist()).items() if count > 1]
    if repeated:
        raise InputError(
            f"{optics.source}: table data_{optics.name}: optics group {listed(repeated)} stands in more than one row, "
            f"so that nothing tells which one a particle has; number the rows from 1 ({_GROUP})"
        )
    if (numbers == np.arange(1, len(numbers) + 1)).all():
        return optics
    warn(
        f"{optics.source}: table data_{optics.name}: its groups are numbered {listed(numbers.tolist(), 8)}; every "
        "particle gets the group of its number here, but RELION takes group g for row g; number the rows from 1, in "
        "order"
    )
    return optics.take(np.argsort(numbers, kind="stable"))


def group_rows(groups: NDArray[np.int64], optics: Table) -> NDArray[np.int64]:
    """Find the row of every group number (n,) in the optics table; -1 where there is none."""
    numbers = optics.whole_numbers(_GROUP) if _GROUP in optics else np.arange(1, len(optics) + 1)
    order = np.argsort(numbers, kind="stable")
    at = np.searchsorted(numbers, groups, sorter=order).clip(0, len(numbers) - 1)
    rows: NDArray[np.int64] = np.where(numbers[order[at]] == groups, order[at], -1)
    return rows


def known_groups(optics: Table) -> str:
    """Name the groups of an optics table, for messages."""
    numbers = optics.whole_numbers(_GROUP) if _GROUP in optics else np.arange(1, len(optics) + 1)
    return listed(numbers.tolist(), 8)
