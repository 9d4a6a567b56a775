"""Names from STAR files become file names only if they stay below the output folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from subtomo.errors import InputError
from subtomo.jobs.extract import RunContext, extract
from subtomo.output import layout
from tests.helpers.builders import SETTINGS, particle_set, renamed, tomogram, tomogram_set

BAD = {
    "../../evil": "'.' or '..'",
    "TS_1/../../../evil": "'.' or '..'",
    "TS_1/./x": "'.' or '..'",
    "..": "'.' or '..'",
    "/tmp/evil": "absolute",
    "TS_1//x": "empty part",
    "TS_1/": "empty part",
    "": "empty part",
    "TS_1/a\nb": "control character",
    "TS_1/a\x00b": "control character",
    "TS_1\\x": "backslash",
    "TS_1/" + "x" * 300: "more than 200 bytes",
    "TS_1/" + "é" * 120: "more than 200 bytes",
}


@pytest.mark.parametrize("name", BAD, ids=[repr(name)[:20] for name in BAD])
@pytest.mark.parametrize("first", [True, False])
def test_bad_particle_names_are_refused_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, first: bool
) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    monkeypatch.chdir(folder)
    names = [name, "TS_1/2"] if first else ["TS_1/1", name]
    particles = renamed(particle_set(["TS_1"] * 2), names)
    with pytest.raises(InputError) as caught:
        extract(tomogram_set(), particles, SETTINGS, "out", context=RunContext(threads=1))
    message = str(caught.value)
    assert f"particles.star, row {1 if first else 2}: particle {name!r}" in message
    assert BAD[name] in message
    assert [path for path in tmp_path.rglob("*") if path != folder] == []


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a//b", "x" * 300])
def test_bad_tomogram_names_are_refused_where_they_become_folders(tmp_path: Path, name: str) -> None:
    particles = renamed(particle_set([name]), ["1"])
    with pytest.raises(InputError, match=r"tomogram in .*, so no file can be named after it"):
        extract(tomogram_set(tomogram(name)), particles, SETTINGS, str(tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


def test_names_without_a_slash_get_a_folder_per_tomogram(tmp_path: Path) -> None:
    particles = renamed(particle_set(["TS_1"] * 2), ["first", "second"])
    extract(tomogram_set(), particles, SETTINGS, str(tmp_path), context=RunContext(threads=1))
    assert (tmp_path / "Subtomograms/TS_1/first_data.mrc").exists()


def test_names_may_have_folders_of_their_own_blanks_and_letters_of_any_language(tmp_path: Path) -> None:
    particles = renamed(particle_set(["TS_1"] * 3), ["TS_1/a/b/1", "TS_1/c d", "TS_1/größe"])
    extract(tomogram_set(), particles, SETTINGS, str(tmp_path), context=RunContext(threads=1))
    for name in ("a/b/1", "c d", "größe"):
        assert (tmp_path / f"Subtomograms/TS_1/{name}_data.mrc").exists()


def test_a_name_that_relion_takes_for_an_image_number_is_refused() -> None:
    with pytest.raises(InputError, match="has an @"):
        layout.check_name("3@TS_1/7", "particle")
