"""A run into a Zarr store, and reading it back."""

from __future__ import annotations

import pickle
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from subtomo.errors import AbortedError, InputError, SettingsError
from subtomo.extraction.sequence import PseudoSubtomograms
from subtomo.io import zarr_store
from subtomo.io.relion.tables import tables_of
from subtomo.io.zarr_read import StoredSubtomograms
from subtomo.jobs.context import RunContext
from subtomo.jobs.extract import store_particles
from subtomo.model.particles import ParticleSet
from subtomo.model.settings import ExtraFile, Output, OutputSettings, Weighting
from subtomo.model.subtomogram import PseudoSubtomogram
from subtomo.model.tilt_series import TomogramSet
from tests.helpers.builders import SETTINGS, particle_set, tilt_images, tomogram, tomogram_set
from tests.helpers.options import on_the_command_line, refused

RESUMED = RunContext(resume=True, threads=1)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zarr_store, "MOST_IN_SHARD", 3)


class Images:
    """Images whose content has a name, so that runs recognise them."""

    def __init__(self, n_tilts: int = 5) -> None:
        self.array = tilt_images(n_tilts)
        self.asked = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    def fingerprint(self) -> str:
        return "images"

    def __getitem__(self, tilt: int, /) -> Any:
        self.asked += 1
        return self.array[tilt]


def inputs(*images: Images) -> tuple[TomogramSet, ParticleSet]:
    first, second = images or (Images(), Images(4))
    tomograms = tomogram_set(tomogram("TS_1", images=first), tomogram("TS_2", images=second, n_tilts=len(second.array)))
    return tomograms, particle_set(["TS_2", "TS_1", "TS_2", "TS_1", "TS_1", "TS_9", "TS_2", "TS_2"])


def assert_same(first: PseudoSubtomogram, second: Any) -> None:
    for name, value in vars(second).items():
        stored = getattr(first, name)
        assert type(stored) is type(value)
        if isinstance(value, np.ndarray):
            assert stored.dtype == value.dtype
        np.testing.assert_array_equal(stored, value)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("weighting", list(Weighting))
def test_items_of_a_store_are_those_that_are_computed(tmp_path: Path, threads: int, weighting: Weighting) -> None:
    settings = replace(SETTINGS, weighting=weighting, binning=1.5)
    summary = store_particles(*inputs(), settings, str(tmp_path), context=RunContext(threads=threads))
    computed = PseudoSubtomograms(*inputs(), settings)
    stored = PseudoSubtomograms.open(tmp_path / "particles.zarr")
    assert len(stored) == len(computed) == summary.n_extracted == 7
    assert summary.n_written_files == 9
    assert stored.is_complete
    for first, second in zip(stored, computed, strict=True):
        assert_same(first, second)
    assert [item.name for item in stored[::-2]] == [computed[i].name for i in range(6, -1, -2)]
    assert not list(tmp_path.glob("*.star"))


def test_a_store_says_what_is_in_it(tmp_path: Path) -> None:
    tomograms, particles = inputs()
    store_particles(tomograms, particles, SETTINGS, str(tmp_path))
    stored = StoredSubtomograms(tmp_path / "particles.zarr")
    assert stored.attributes["settings"]["box_size"] == 24
    assert stored.attributes["program"].startswith("subtomo ")
    assert stored.attributes["optics"]["rlnOpticsGroup"] == ["1"]
    table = stored.table()
    given = tables_of(particles).particles
    assert set(table.labels) == set(given.labels)
    for label in table.labels:
        assert table.text(label).tolist() == given.text(label)[stored.indices].tolist()


def test_threads_and_pickled_copies_read_the_same(tmp_path: Path) -> None:
    store_particles(*inputs(), SETTINGS, str(tmp_path))
    stored = StoredSubtomograms(tmp_path / "particles.zarr")
    copy = pickle.loads(pickle.dumps(stored))
    expected, order = list(stored), [3, 1, 6, 0] * 5
    with ThreadPoolExecutor(4) as pool:
        for place, item in zip(order, pool.map(copy.__getitem__, order), strict=True):
            assert_same(item, expected[place])
    for index in (7, -8):
        with pytest.raises(IndexError, match=f"item {index} of 7"):
            stored[index]


def test_a_stopped_run_leaves_an_incomplete_store_that_resumes_with_whole_shards(tmp_path: Path) -> None:
    def stop(name: str) -> None:
        if name == "TS_2":
            raise AbortedError("stop")

    first = Images()
    with pytest.raises(AbortedError):
        store_particles(
            *inputs(first, Images(4)), SETTINGS, str(tmp_path), context=RunContext(before_series=stop, threads=1)
        )
    halted = StoredSubtomograms(tmp_path / "particles.zarr")
    assert not halted.is_complete
    undone = np.flatnonzero(~halted.done).tolist()
    assert undone
    with pytest.raises(InputError) as caught:
        halted[undone[0]]
    assert "not finished; finish the run with --resume" in on_the_command_line(caught.value)
    store_particles(*inputs(), SETTINGS, str(tmp_path), context=RESUMED)
    for item, expected in zip(
        StoredSubtomograms(tmp_path / "particles.zarr"), PseudoSubtomograms(*inputs(), SETTINGS), strict=True
    ):
        assert_same(item, expected)


def test_a_finished_store_is_not_made_again(tmp_path: Path) -> None:
    store_particles(*inputs(), SETTINGS, str(tmp_path))
    first, second = Images(), Images(4)
    summary = store_particles(*inputs(first, second), SETTINGS, str(tmp_path), context=RESUMED)
    assert (summary.n_found, summary.n_extracted, summary.n_written_files) == (7, 7, 0)
    assert first.asked == second.asked == 0


def test_a_changed_particle_is_made_again(tmp_path: Path) -> None:
    store_particles(*inputs(), SETTINGS, str(tmp_path))
    tomograms, particles = inputs()
    moved = replace(particles, coordinates=particles.coordinates + np.eye(len(particles), 3, -3) * 4)
    store_particles(tomograms, moved, SETTINGS, str(tmp_path), context=RESUMED)
    stored = StoredSubtomograms(tmp_path / "particles.zarr")
    assert stored.is_complete
    for item, expected in zip(stored, PseudoSubtomograms(tomograms, moved, SETTINGS), strict=True):
        np.testing.assert_array_equal(item.data, expected.data)  # type: ignore[union-attr]


@pytest.mark.parametrize("change", [{"binning": 2.0}, {"apply_ctf": False}])
def test_other_settings_are_refused_by_name(tmp_path: Path, change: dict[str, Any]) -> None:
    store_particles(*inputs(), SETTINGS, str(tmp_path))
    with pytest.raises(SettingsError, match=rf"other settings: {next(iter(change))} \({next(iter(change))}\) was"):
        store_particles(*inputs(), replace(SETTINGS, **change), str(tmp_path), context=RESUMED)
    assert StoredSubtomograms(tmp_path / "particles.zarr").is_complete


def test_other_particles_are_refused(tmp_path: Path) -> None:
    store_particles(*inputs(), SETTINGS, str(tmp_path))
    with pytest.raises(SettingsError, match="holds 7 other particles than the 2"):
        store_particles(inputs()[0], particle_set(["TS_1"] * 2), SETTINGS, str(tmp_path), context=RESUMED)


def test_a_failure_is_told_and_leaves_the_store_incomplete(tmp_path: Path) -> None:
    bad = Images()
    bad.array[:] = np.nan
    summary = store_particles(*inputs(bad, Images(4)), SETTINGS, str(tmp_path))
    assert {failure.particle for failure in summary.failures} == {"TS_1/2", "TS_1/4", "TS_1/5"}
    assert summary.n_extracted == 4
    stored = StoredSubtomograms(tmp_path / "particles.zarr")
    assert not stored.is_complete
    assert stored.done.sum() == 4
    assert np.isfinite(stored[3].data).all()
    summary = store_particles(*inputs(), SETTINGS, str(tmp_path), context=RESUMED)
    assert not summary.failures
    assert StoredSubtomograms(tmp_path / "particles.zarr").is_complete


def test_a_run_without_particles_gives_an_empty_store(tmp_path: Path) -> None:
    store_particles(*inputs(), replace(SETTINGS, min_tilts=100), str(tmp_path))
    assert list(StoredSubtomograms(tmp_path / "particles.zarr")) == []


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (OutputSettings(write_sums=True), "--sum"),
        (OutputSettings(float16=True), "--float16"),
        (OutputSettings(write_weights=False), "--no_comb"),
        (OutputSettings(write_particles=False), "--no_writing"),
        (OutputSettings(skip_existing=True), "--only_do_unfinished"),
        (OutputSettings(extra_files=ExtraFile.DIVIDED), "--div"),
    ],
)
def test_what_a_store_cannot_hold_is_refused(tmp_path: Path, output: OutputSettings, reason: str) -> None:
    with refused(reason):
        store_particles(*inputs(), SETTINGS, str(tmp_path), output=output)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("output", [Output.STACK_2D, Output.PROJECTIONS])
def test_stacks_are_refused(tmp_path: Path, output: Output) -> None:
    with refused("--stack2d and --real_subtomo"):
        store_particles(*inputs(), replace(SETTINGS, output=output), str(tmp_path))


def test_a_missing_package_is_told_with_the_line_that_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(SettingsError, match=r"pip install 'subtomo\[zarr\]'"):
        store_particles(*inputs(), SETTINGS, str(tmp_path / "out"))
    with pytest.raises(SettingsError, match=r"pip install 'subtomo\[zarr\]'"):
        PseudoSubtomograms.open(tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", ["remove", "cut", "garble"])
def test_damage_is_told_with_the_particle(tmp_path: Path, damage: str) -> None:
    store_particles(*inputs(), SETTINGS, str(tmp_path))
    shard = tmp_path / "particles.zarr/ctf2/c/1/0/0/0"
    content = shard.read_bytes()
    if damage == "remove":
        shard.unlink()
    else:
        shard.write_bytes(content[:100] if damage == "cut" else b"\x55" * len(content))
    stored = StoredSubtomograms(tmp_path / "particles.zarr")
    assert stored[0].name == "TS_1/2"
    with pytest.raises(InputError, match=r"particles\.zarr: ctf2 of particle TS_2/1 cannot be read"):
        stored[3]


@pytest.mark.parametrize(
    "lost", ["zarr.json", "done", "data/zarr.json", "name/c", "orientation/c", "particle/c", "visible/c"]
)
def test_a_damaged_group_is_an_input_error(tmp_path: Path, lost: str) -> None:
    store_particles(*inputs(), SETTINGS, str(tmp_path))
    path = tmp_path / "particles.zarr" / lost
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.write_text("{")
    with pytest.raises(InputError, match=r"particles\.zarr"):
        list(StoredSubtomograms(tmp_path / "particles.zarr"))


def test_what_another_program_made_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "particles.zarr").mkdir()
    (tmp_path / "particles.zarr/mine").touch()
    with pytest.raises(InputError, match="is no Zarr group"):
        store_particles(*inputs(), SETTINGS, str(tmp_path))
    assert (tmp_path / "particles.zarr/mine").exists()


def test_temporary_files_of_a_killed_run_are_swept(tmp_path: Path) -> None:
    store_particles(*inputs(), SETTINGS, str(tmp_path))
    leftover = tmp_path / "particles.zarr/data/c/0/0/0/0.abc.partial"
    leftover.touch()
    store_particles(*inputs(), SETTINGS, str(tmp_path), context=RESUMED)
    assert not leftover.exists()
