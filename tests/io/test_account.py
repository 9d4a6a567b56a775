"""The account of a run: what is written is read again, and a damaged one is an error in a line."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from subtomo.errors import InputError
from subtomo.io.account import ACCOUNT_NAME, read_account, recorded_data_term, write_account
from subtomo.model.account import ExtractionSummary, Failure
from subtomo.model.plan import LeftOut
from subtomo.model.settings import Cone, DataTerm, ExtractionSettings, OutputSettings, Weighting

SUMMARY = ExtractionSummary(
    output_dir="out/",
    n_particles=3,
    n_extracted=1,
    n_written_files=2,
    bytes_written=99,
    left_out=(LeftOut(1, "TS_1/2", "TS_1", 4, "too few tilts", "visible in 4 of 9 tilts, 5 needed"),),
    seconds=1.5,
    star_file="out/particles.star",
    failures=(Failure("TS_1/3", "TS_1", "a bad pixel"),),
)
SETTINGS = ExtractionSettings(32, 24, weighting=Weighting.WHITENED, data_term=DataTerm.EXACT, cone=Cone(20.0))
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def write(folder: Path) -> Path:
    path = folder / ACCOUNT_NAME
    origin = {"program": "subtomo 1", "command": ["subtomo"], "inputs": {"particles": "particles.star"}}
    write_account(str(path), SUMMARY, SETTINGS, OutputSettings(float16=True), origin)
    return path


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    write(tmp_path)
    account = read_account(tmp_path)
    assert account.settings == SETTINGS
    assert (account.left_out, account.failures) == (SUMMARY.left_out, SUMMARY.failures)
    assert account.input_file("particles") == "particles.star"
    assert account.input_file("tomograms") is None
    assert account.plain_settings["float16"] is True
    assert recorded_data_term(tmp_path) is DataTerm.EXACT


def test_without_an_account_data_are_taken_as_relions_and_with_a_damaged_one_nothing_is_assumed(tmp_path: Path) -> None:
    assert recorded_data_term(tmp_path) is DataTerm.RELION
    (tmp_path / ACCOUNT_NAME).write_text("{")
    with pytest.raises(InputError, match=f"{ACCOUNT_NAME}: is no JSON"):
        recorded_data_term(tmp_path)


@pytest.mark.parametrize("text", ["[" * 100_000, "null", "[]", "1e999", '{"settings": null}', "\x00", '"a'])
def test_nonsense_is_an_error_in_a_line(tmp_path: Path, text: str) -> None:
    (tmp_path / ACCOUNT_NAME).write_text(text)
    with pytest.raises(InputError, match=ACCOUNT_NAME):
        read_account(tmp_path)


def test_bytes_that_are_no_text_are_an_error_in_a_line(tmp_path: Path) -> None:
    (tmp_path / ACCOUNT_NAME).write_bytes(b"\xff\xfe{}")
    with pytest.raises(InputError, match="no UTF-8"):
        read_account(tmp_path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_in_any_place_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    path = write(tmp_path)
    account = json.loads(path.read_text())
    place = account["settings"] if data.draw(st.booleans()) else account
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(JSON)
    path.write_text(json.dumps(account))
    # anything but an InputError fails the test
    with suppress(InputError):
        read_account(tmp_path)
