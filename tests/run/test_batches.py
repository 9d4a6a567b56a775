"""Work in batches that travel: the same bytes as on threads, small to send, and failures that come back as text."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest

from subtomo.extraction.plan import plan_extraction
from subtomo.jobs.batches import Batch, extract_batch
from subtomo.jobs.extract import RunContext, extract
from subtomo.model.settings import ExtractionSettings, ExtraFile, OutputSettings
from subtomo.output import batching as batches
from subtomo.output.batching import divide
from tests.helpers.builders import SETTINGS, particle_set, tomogram, tomogram_set
from tests.helpers.project import read_project

EVERYTHING = OutputSettings(extra_files=~ExtraFile.NONE, write_sums=True)


@dataclass(frozen=True)
class Outcome:
    task: Batch
    result: Any
    error: Any = None
    attempts: int = 1


@dataclass
class Backwards:
    """Sends every batch through pickle, and gives results back in the wrong order."""

    lost: tuple[int, ...] = ()
    most_bytes: int = 0

    def run(self, function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Outcome]:
        sent = [pickle.dumps((function, task)) for task in tasks]
        self.most_bytes = max(map(len, sent), default=0)
        for text in reversed(sent):
            call, task = pickle.loads(text)
            if task.number in self.lost:
                yield Outcome(task, None, RuntimeError("the worker died"), 3)
            else:
                yield Outcome(task, pickle.loads(pickle.dumps(call(task))))


@pytest.fixture
def two_in_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MOST_PARTICLES", 1)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run(folder: Path, name: str, *, output: OutputSettings = EVERYTHING, **context: Any) -> Any:
    return extract(*read_project(folder), SETTINGS, name, output=output, context=RunContext(**context))


@pytest.mark.usefixtures("two_in_a_batch")
def test_batches_on_an_executor_write_the_same_bytes_as_threads(project: Path) -> None:
    serial = run(project, "out", threads=1)
    expected = contents(project / "out")
    for name, context in {"threads": {"threads": 2}, "batches": {"executor": Backwards()}}.items():
        (project / "out").rename(project / f"before-{name}")
        summary = run(project, "out", **context)
        assert contents(project / "out") == expected
        assert replace(summary, seconds=0) == replace(serial, seconds=0)
    assert not (project / "out/.subtomo/sums").exists()


@pytest.mark.usefixtures("two_in_a_batch")
def test_a_lost_batch_is_named_in_the_summary_and_made_by_the_next_run(project: Path) -> None:
    run(project, "whole", executor=Backwards())
    summary = run(project, "out", executor=Backwards(lost=(2,)))
    (failure,) = summary.failures
    assert (failure.particle, failure.tomogram) == ("TS_2/3", "TS_2")
    assert failure.error == "unexpected RuntimeError: the worker died"
    assert summary.n_extracted == 3
    assert summary.warnings == ("the sums lack 1 batch(es) of particles that failed as a whole",)
    assert run(project, "out", executor=Backwards(), resume=True).n_found == 3
    whole, out = contents(project / "whole"), contents(project / "out")
    stars = ("particles.star", "optimisation_set.star")
    assert {name: data for name, data in out.items() if name not in stars} == {
        name: data for name, data in whole.items() if name not in stars
    }


def test_what_a_worker_that_died_while_it_wrote_left_behind_is_removed_at_the_end(project: Path) -> None:
    class Dies(Backwards):
        def run(self, function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Outcome]:
            (project / "out/Subtomograms/TS_2/.subtomo-0123456789abcdef.tmp").write_bytes(b"half a volume")
            yield from super().run(function, tasks)

    assert not run(project, "out", executor=Dies()).failures
    assert not list((project / "out").rglob("*.tmp"))


def test_a_bad_pixel_in_a_batch_comes_back_as_text(project: Path) -> None:
    with mrcfile.open(project / "TS_2.mrcs", mode="r+", permissive=True) as stack:
        stack.data[3, 45, 55] = np.nan
    summary = run(project, "out", executor=Backwards())
    assert [failure.particle for failure in summary.failures] == ["TS_2/3", "TS_2/4"]
    assert "tilt 4 of tomogram TS_2" in summary.failures[0].error


def test_batches_are_small_to_send(project: Path) -> None:
    executor = Backwards()
    run(project, "out", executor=executor)
    assert executor.most_bytes < 20_000


@pytest.mark.usefixtures("two_in_a_batch")
def test_finished_particles_are_not_sent(project: Path) -> None:
    run(project, "out", output=OutputSettings())
    (project / "out/Subtomograms/TS_1/2_data.mrc").unlink()
    executor = Backwards()
    summary = run(project, "out", output=OutputSettings(), executor=executor, resume=True)
    assert (summary.n_found, summary.n_written_files) == (3, 2)


def test_a_batch_can_be_done_twice(project: Path) -> None:
    run(project, "out", output=OutputSettings())
    before = contents(project / "out")

    class Twice(Backwards):
        def run(self, function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Outcome]:
            for task in tasks:
                assert function is extract_batch
                function(task)
                yield Outcome(task, function(task))

    run(project, "out", output=OutputSettings(), executor=Twice())
    assert contents(project / "out") == before


@pytest.mark.parametrize(("box", "tilts", "n"), [(24, 5, 1000), (96, 5, 300), (512, 41, 50), (1024, 61, 3)])
def test_batches_are_bounded_by_cost_and_nearly_equal(box: int, tilts: int, n: int) -> None:
    settings = ExtractionSettings(box_size=box, min_tilts=0)
    plan = plan_extraction(tomogram_set(tomogram(n_tilts=tilts)), particle_set(["TS_1"] * n), settings)
    ranges = divide(plan.series[0], settings)
    assert [i for members in ranges for i in members] == list(range(n))
    sizes = [len(members) for members in ranges]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) == 1 or max(sizes) * box**2 * tilts <= batches.BATCH_COST
    assert max(sizes) <= batches.MOST_PARTICLES
