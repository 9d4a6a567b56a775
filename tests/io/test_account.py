"""The account of a run: what is written is read, and what is damaged is refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from subtomo.errors import InputError
from subtomo.io.account import ACCOUNT_NAME, plain_settings, read_account, recorded_data_term, write_account
from subtomo.model.account import ExtractionSummary, Failure, InputFiles
from subtomo.model.plan import LeftOut
from subtomo.model.settings import (
    CircleCrop,
    Cone,
    DataTerm,
    ExtractionSettings,
    ExtraFile,
    Output,
    OutputSettings,
    Weighting,
)

ACCOUNT = ExtractionSummary(
    output_dir="Extract/job007/",
    settings=ExtractionSettings(
        64, 32, 1.5, circle_crop=CircleCrop.PATCH | CircleCrop.SLICE, cone=Cone(20.0, 3.0),
        weighting=Weighting.WHITENED, data_term=DataTerm.EXACT, max_dose_e_per_a2=60.0,
    ),
    n_particles=5,
    n_extracted=3,
    output=OutputSettings(extra_files=ExtraFile.CTF2 | ExtraFile.DIVIDED, snr=2.0, write_sums=True),
    inputs=InputFiles("particles.star", "tomograms.star", optimisation_set="set.star"),
    project="../..",
    program="subtomo 1",
    command=("subtomo", "extract", "--b", "64"),
    n_found=1,
    n_written_files=6,
    bytes_written=12345,
    seconds=1.5,
    star_file="Extract/job007/particles.star",
    warnings=("Å",),
    left_out=(LeftOut(4, "TS_1/5", "TS_1", 2, "too few tilts", "visible in 2 of 5 tilts"),),
    failures=(Failure("TS_1/4", "TS_1", "no data"),),
    noise={"TS_1": (1.0, 0.5)},
)  # fmt: skip
DEEP = '{"output_dir": ' + "[" * 5000 + "]" * 5000 + "}"


def written(folder: Path, change: Callable[[dict[str, Any]], Any] = lambda plain: None) -> Path:
    """Write the account, changed."""
    path = folder / ACCOUNT_NAME
    write_account(path, ACCOUNT)
    plain = json.loads(path.read_text())
    change(plain)
    path.write_text(json.dumps(plain))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_account(path.parent)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(path))
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_an_account_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_account(tmp_path / ACCOUNT_NAME, ACCOUNT)
    assert read_account(tmp_path) == ACCOUNT


def test_settings_by_default_are_read_as_they_were_written(tmp_path: Path) -> None:
    account = ExtractionSummary("out/", ExtractionSettings(32, output=Output.STACK_2D), 2, 2)
    write_account(tmp_path / ACCOUNT_NAME, account)
    assert read_account(tmp_path) == account


def test_choices_are_written_as_words() -> None:
    plain = plain_settings(ACCOUNT.settings)
    assert (plain["circle_crop"], plain["data_term"]) == (["PATCH", "SLICE"], "EXACT")
    assert json.loads(json.dumps(plain)) == plain


def test_an_older_account_has_defaults_for_what_it_lacks(tmp_path: Path) -> None:
    settings = {"box_size": 32, "crop_size": 16, "from_the_future": 1}
    plain = {"output_dir": "out/", "n_particles": 3, "n_extracted": 2, "settings": settings, "unknown": [1]}
    (tmp_path / ACCOUNT_NAME).write_text(json.dumps(plain))
    account = read_account(tmp_path)
    assert account == ExtractionSummary("out/", ExtractionSettings(32, 16), 3, 2)
    assert account.inputs == InputFiles()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("settings", None, "settings is None, but must be a table of values"),
        ("settings", {}, "settings is a table, but must be a table with settings.box_size"),
        ("settings", [], "settings is a list, but must be a table of values"),
        ("output_dir", 3, "output_dir is 3, but must be text"),
        ("output_dir", "\ud800", "output_dir is .* but must be valid Unicode text"),
        ("n_particles", "x", "n_particles is 'x', but must be a whole number, zero or more"),
        ("n_extracted", -1, "n_extracted is -1"),
        ("n_extracted", True, "n_extracted is True"),
        ("n_extracted", 10**30, "n_extracted is 10000"),
        ("seconds", float("nan"), "seconds is nan, but must be a number"),
        ("seconds", float("inf"), "seconds is inf, but must be a finite number"),
        ("command", "subtomo extract", "command is 'subtomo extract', but must be a list"),
        ("warnings", [["x"]], r"warnings\[0\] is a list, but must be text"),
        ("left_out", [{"particle": 1}], r"left_out\[0\] is a table, but must be a table with left_out\[0\].name"),
        ("left_out", {"0": 1}, "left_out is a table, but must be a list"),
        ("failures", [None], r"failures\[0\] is None, but must be a table of values"),
        ("inputs", {"particles": ["a"]}, "inputs.particles is a list, but must be text"),
        ("noise", {"TS_1": [1, "x"]}, r"noise\['TS_1'\]\[1\] is 'x', but must be a number"),
        ("noise", [], "noise is a list, but must be a table"),
    ],
)
def test_a_damaged_value_is_named(tmp_path: Path, field: str, value: Any, message: str) -> None:
    path = written(tmp_path, lambda plain: plain.update({field: value}))
    with pytest.raises(InputError, match=message):
        read_account(path.parent)
    refusal(path)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("data_term", "ROUND", "data_term"),
        ("data_term", None, "settings.data_term is None, but must be text"),
        ("circle_crop", "SLICE", "settings.circle_crop is 'SLICE', but must be a list of words"),
        ("circle_crop", [[["SLICE"]]], "settings.circle_crop is a list, but must be a list of words"),
        ("cone", {"angle_deg": "wide"}, "settings.cone.angle_deg is 'wide', but must be a number"),
        ("box_size", 31, "box size"),
        ("float16", 1, "output.float16 is 1, but must be true or false"),
    ],
)
def test_a_damaged_setting_is_named(tmp_path: Path, field: str, value: Any, message: str) -> None:
    path = written(tmp_path, lambda plain: plain["settings"].update({field: value}))
    assert message in refusal(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        "null",
        "1",
        "1e999",
        "\x00",
        '"a',
        '{"settings": null}',
        DEEP,
        "[" * 200_000,
        '{"a": ' + "9" * 5000 + "}",
    ],
)
def test_what_is_no_account_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / ACCOUNT_NAME).write_text(text)
    refusal(tmp_path / ACCOUNT_NAME)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / ACCOUNT_NAME).write_bytes(b"\xff\xfe{}")
    assert "no UTF-8" in refusal(tmp_path / ACCOUNT_NAME)


def test_a_missing_account_is_named(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / ACCOUNT_NAME)
    (tmp_path / ACCOUNT_NAME).mkdir()
    assert "cannot be read" in refusal(tmp_path / ACCOUNT_NAME)


def test_the_data_term_is_that_of_the_account_or_relions_if_there_is_none(tmp_path: Path) -> None:
    assert recorded_data_term(tmp_path) is DataTerm.RELION
    assert recorded_data_term(written(tmp_path).parent) is DataTerm.EXACT


def test_the_data_term_of_an_unreadable_account_is_not_guessed(tmp_path: Path) -> None:
    path = written(tmp_path, lambda plain: plain.update(settings=None))
    with pytest.raises(InputError, match=r"settings is None.*extract again, or say how .* \(data_term\)") as caught:
        recorded_data_term(path.parent)
    assert caught.value.fields == ("data_term",)
    path.write_text("{")
    with pytest.raises(InputError, match=f"{ACCOUNT_NAME}: is no JSON"):
        recorded_data_term(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), value=JSON)
def test_anything_in_the_place_of_a_value_is_read_or_refused(tmp_path: Path, data: st.DataObject, value: Any) -> None:
    def change(plain: dict[str, Any]) -> None:
        place = data.draw(st.sampled_from([plain, plain["settings"], plain["left_out"][0], plain["inputs"]]))
        place[data.draw(st.sampled_from(sorted(place)))] = value

    path = written(tmp_path, change)
    with suppress(InputError):
        assert isinstance(read_account(path.parent), ExtractionSummary)
