"""A classification on Dask workers: the same bits as here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from subtomo.classification.settings import ClassificationSettings
from subtomo.cli import main
from subtomo.errors import InputError
from subtomo.io.relion import OptimisationSet
from subtomo.jobs.classify import run_classification
from subtomo.jobs.classify_prepare import ClassificationJob
from subtomo.jobs.cluster import DaskExecutor, connect
from subtomo.model.settings import ExtractionSettings
from tests.classification.test_command import classify, same_files

pytestmark = pytest.mark.usefixtures("project")
NAMES = ["run_it002_data.star", "run_it002_class001.mrc", "run_it002_class002.mrc"]
SETTINGS = ClassificationSettings(
    particle_diameter_angstrom=110.0, ini_high_angstrom=25.0, iterations=2, starts=1, aligns=True, align_rounds=1
)


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskExecutor]:
    with connect("local:2", {}, str(tmp_path_factory.mktemp("seen"))) as executor:
        yield executor


def job(folder: str, settings: ClassificationSettings = SETTINGS) -> ClassificationJob:
    return ClassificationJob(
        folder,
        settings,
        extraction=ExtractionSettings(box_size=48, crop_size=32, invert_contrast=False),
        files=OptimisationSet(particles="true.star", tomograms="tomograms.star"),
    )


@pytest.mark.slow
def test_dask_and_threads_give_the_same_bits(executor: DaskExecutor) -> None:
    run_classification(job("here/"))
    found = run_classification(replace(job("there/"), executor=executor))
    assert found.alignments
    assert not same_files("here", "there", NAMES)


@pytest.mark.slow
def test_particles_of_an_extraction_travel_too(executor: DaskExecutor) -> None:
    assert main(["extract", "--t", "tomograms.star", "--p", "true.star", "--b", "48", "--crop", "32", "--no_ic",
                 "--j", "1", "--o", "Extract/"]) == 0  # fmt: skip
    one = replace(job(""), extraction=None, files=OptimisationSet(), place="Extract/")
    one = replace(one, settings=replace(SETTINGS, aligns=False, align_rounds=5))
    run_classification(replace(one, output_dir="here/"))
    run_classification(replace(one, output_dir="there/", executor=executor))
    assert not same_files("here", "there", NAMES)


class Failing:
    """Workers on which nothing works."""

    def run(self, function: object, tasks: Iterator[object]) -> Iterator[object]:
        from subtomo.jobs.dask_executor import Outcome

        for task in tasks:
            yield Outcome(task, None, OSError("no such disk"), 3)


def test_workers_that_fail_are_named() -> None:
    with pytest.raises(InputError, match="no such disk"):
        run_classification(replace(job("there/"), executor=Failing()))


def test_what_workers_cannot_be_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert classify("--dask", "local:none") == 1
    assert "--dask" in capsys.readouterr().err
    assert classify("--dask-option", "queue=short") == 1
    assert "--dask-option is for --dask slurm" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_takes_workers() -> None:
    assert classify("--starts", "1", "--iter", "2", "--dask", "local:1", output="there/") == 0
    assert classify("--starts", "1", "--iter", "2", output="here/") == 0
    assert not same_files("here", "there", NAMES)
    assert Path("there/report.html").exists()
