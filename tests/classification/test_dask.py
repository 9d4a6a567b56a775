"""A classification on Dask workers: the same bits as here."""

from __future__ import annotations

import subprocess
import sys
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
from subtomo.model.settings import ExtractionSettings
from tests.classification.conftest import BUILD
from tests.classification.test_command import classify, same_files

pytestmark = pytest.mark.usefixtures("project")
NAMES = ["run_it002_data.star", "run_it002_class001.mrc", "run_it002_class002.mrc"]
SETTINGS = ClassificationSettings(
    particle_diameter_angstrom=110.0, ini_high_angstrom=25.0, iterations=2, starts=1, aligns=True, align_rounds=1
)


def job(folder: str, settings: ClassificationSettings = SETTINGS) -> ClassificationJob:
    return ClassificationJob(
        folder,
        settings,
        extraction=ExtractionSettings(box_size=48, crop_size=32, invert_contrast=False),
        files=OptimisationSet(particles="true.star", tomograms="tomograms.star"),
    )


def run_thrice(words: list[str]) -> None:
    """Run here, again, and on workers.

    Kernels that were just compiled may differ in last bits from the same ones out of the cache, so one run fills it.
    """
    command = [sys.executable, "-m", "subtomo", "classify", *words, "--j", "2", "--starts", "1", "--iter", "2"]
    for more in (["--o", "first/"], ["--o", "here/"], ["--o", "there/", "--dask", "local:2"]):
        subprocess.run([*command, *more], capture_output=True, check=True)


@pytest.mark.slow
def test_dask_and_threads_give_the_same_bits() -> None:
    run_thrice(["--p", "true.star", *BUILD, "--align", "--align-rounds", "1"])
    assert "subtomoAngleErrorDeg" in Path("there/run_it002_data.star").read_text(encoding="utf-8")
    assert not same_files("here", "there", NAMES)


@pytest.mark.slow
def test_particles_of_an_extraction_travel_too() -> None:
    assert main(["extract", "--t", "tomograms.star", "--p", "true.star", "--b", "48", "--crop", "32", "--no_ic",
                 "--j", "1", "--o", "Extract/"]) == 0  # fmt: skip
    run_thrice(["Extract/", "--particle_diameter", "110", "--ini_high", "25"])
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
