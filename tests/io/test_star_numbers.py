"""Numbers as text, against printf, digit by digit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.io.star import format_floats

EDGES = [
    *(0.0, -0.0, np.nan, np.inf, -np.inf, 1e5, -1e5, 99999.9999999, -99999.9999999, 100000.0000001, 5e-324, 1e300),
    *(0.001, 0.0009999999, -0.001, 9.9999995, 999.9999995, -9.999995, 0.0000005, 1.0000025, -99999.999994),
]


def by_printf(numbers: NDArray[np.float64]) -> list[str]:
    texts = []
    for number in numbers.tolist():
        decimals = 6 if number >= 0 else 5
        form = "e" if 0 < abs(number) < 0.001 or abs(number) > 100000 else "f"
        texts.append(f"%12.{decimals}{form}" % number)
    return [text[:12].strip() for text in texts]


def test_every_digit_is_that_of_printf() -> None:
    random = np.random.default_rng(3)
    of_all_sizes = random.uniform(-1, 1, 20_000) * 10.0 ** random.integers(-5, 8, 20_000)
    halves = np.round(random.uniform(-1000, 1000, 5_000), 5) + 5e-7 * random.integers(-3, 4, 5_000)
    short = np.round(random.uniform(-100, 100, 5_000), 3)
    numbers = np.concatenate([EDGES, of_all_sizes, halves, short])
    assert format_floats(numbers).tolist() == by_printf(numbers)


def test_no_numbers_are_no_texts() -> None:
    assert format_floats([]).tolist() == []
