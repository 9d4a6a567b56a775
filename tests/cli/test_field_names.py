"""Errors name fields, as Python users know them; on the command line they name options."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

from subtomo.cli import average, extract, fidelity, main
from subtomo.cli.field_names import explained, in_words_of_options, option_names, options_by_field
from subtomo.errors import SettingsError
from tests.cli.test_command_line import refusal

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def options_of_extract() -> Iterator[None]:
    token = option_names.set(options_by_field(*extract.GROUPS))
    yield
    option_names.reset(token)


@pytest.mark.parametrize(
    ("text", "fields", "expected"),
    [
        ("box size (box_size) is 31", ("box_size",), "box size (--b) is 31"),
        ("patches (box_size times binning)", ("box_size", "binning"), "patches (--b times --bin)"),
        ("binning is 0.5", ("binning",), "binning is 0.5 (--bin)"),
        ('weighting="whitened" needs weights', ("weighting",), "--weighting whitened needs weights"),
        ("do without whiten=True", ("whiten",), "do without --whiten"),
        ("which apply_ctf=False leaves out", ("apply_ctf",), "which --no_ctf leaves out"),
        ('not output="stack_2d"', ("output",), "not --stack2d"),
        ("another folder (output_dir)", ("output_dir",), "another folder (--o)"),
        ("no set (particles_file)", ("particles_file",), "no set (--p)"),
        ("store it (as_zarr=True)", ("as_zarr",), "store it (--store zarr)"),
        ("a.star (box_size): damaged", (), "a.star (box_size): damaged"),
        ("something else", ("seed_of_nothing",), "something else"),
    ],
)
def test_fields_become_options_where_an_error_names_them(text: str, fields: tuple[str, ...], expected: str) -> None:
    assert explained(SettingsError(text, field=fields)) == expected


def test_only_fields_of_the_error_are_looked_for() -> None:
    assert in_words_of_options("run (snr).star is no file", ()) == "run (snr).star is no file"


def test_a_note_may_name_any_field() -> None:
    assert in_words_of_options("sums (write_sums) are made again, resume=True") == (
        "sums (--sum) are made again, --resume"
    )


def test_the_same_field_may_have_another_option_in_another_command() -> None:
    assert options_by_field(*average.GROUPS)["snr"] == "--SNR"
    assert options_by_field(*fidelity.GROUPS)["snr"] == "--snr"


def test_errors_carry_their_fields_also_to_another_process() -> None:
    error = pickle.loads(pickle.dumps(SettingsError("sizes differ", field=("box_size", "crop_size"))))
    assert str(error) == "sizes differ"
    assert error.fields == ("box_size", "crop_size")
    assert SettingsError("wrong", field="snr").fields == ("snr",)
    assert SettingsError("wrong").fields == ()


def test_a_refusal_on_the_command_line_names_the_option(extract: tuple[str, ...], capsys: Capture) -> None:
    assert "box size (--b) is 31, but must be" in refusal((*extract, "--b", "31"), capsys)
    assert main(("extract",)) == 0
