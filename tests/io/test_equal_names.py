"""Names that stand twice, as in joined sets, are refused with both rows."""

from __future__ import annotations

import pytest

from subtomo.errors import InputError
from tests.helpers.builders import particle_set, renamed, tomogram, tomogram_set


def test_equal_particle_names_are_refused_with_both_rows() -> None:
    with pytest.raises(InputError, match=r"particles\.star: 2 particles are called 'x' .*in row 2\), again in row 4"):
        renamed(particle_set(["TS_1"] * 4), ["a", "x", "b", "x"])


def test_equal_tomogram_names_are_refused_with_both_rows() -> None:
    with pytest.raises(InputError, match=r"tomograms\.star: tomogram 'B' is listed twice, in rows 2 and 3"):
        tomogram_set(tomogram("A"), tomogram("B"), tomogram("B"))
