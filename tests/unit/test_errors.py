"""What errors say can be printed."""

from __future__ import annotations

import pickle

from subtomo.errors import InputError


def test_invisible_characters_of_damaged_files_are_shown_by_their_codes() -> None:
    error = InputError("a.star: label \ufeffrln\x00Voltage is '\x1b[2J', expected 300 Å")
    assert str(error) == r"a.star: label \ufeffrln\x00Voltage is '\x1b[2J', expected 300 Å"


def test_errors_travel_between_processes() -> None:
    assert str(pickle.loads(pickle.dumps(InputError("a.star: row 1\ufeff")))) == r"a.star: row 1\ufeff"
