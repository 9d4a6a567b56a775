"""The jobs of ccpem-pipeliner, run by its own runner in processes of their own."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from subtomo.io.relion import read_tomograms
from subtomo.jobs.stand_in import command_script
from tests.standin.conftest import Project

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pipeliner") is None, reason="ccpem-pipeliner is not installed (subtomo[pipeliner])"
)

SIZES = {"box_size": "32", "crop_size": "24"}
INPUT = {"in_particles": "particles.star", "in_tomograms": "tomograms.star"}


def run(folder: Path, *jobs: dict[str, str], **variables: str) -> list[Any]:
    """Run jobs in a project; give what became of each."""
    runner = Path(__file__).with_name("run_pipeline.py")
    path = f"{command_script().parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.run(
        [sys.executable, str(runner), json.dumps(jobs)],
        cwd=folder,
        env={**os.environ, "PATH": path, **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    told = process.stdout.rpartition("RESULTS ")[2]
    return list(json.loads(told))


def test_the_jobs_are_found_by_their_entry_points() -> None:
    names = {
        entry.name: entry.value for entry in entry_points(group="ccpem_pipeliner.jobs") if "subtomo." in entry.name
    }
    assert names == {
        "subtomo.extract": "subtomo.cli.pipeliner:ExtractJob",
        "subtomo.refine": "subtomo.cli.pipeliner:RefineJob",
        "subtomo.import": "subtomo.cli.pipeliner:ImportJob",
    }


def test_extraction_and_refinement_run_one_after_the_other(project: Project) -> None:
    extract = {"_rlnJobTypeLabel": "subtomo.extract", **INPUT, **SIZES}
    refine = {
        "_rlnJobTypeLabel": "subtomo.refine",
        "in_particles": "Extract/job001/particles.star",
        "diameter": "60",
        "rounds": "1",
    }
    stacks = {**extract, "stack2d": "Yes", "float16": "Yes"}
    first, second, third = run(project.folder, extract, refine, stacks, SUBTOMO_NO_REPORT="")
    assert [one["status"] for one in (first, second, third)] == ["Succeeded"] * 3
    assert first["version"] is not None
    assert first["nodes"] == {
        "Extract/job001/particles.star": "ParticleGroupMetadata.star.relion.tomo.subtomo",
        "Extract/job001/optimisation_set.star": "TomoOptimisationSet.star.relion.tomo.subtomo",
    }
    assert sorted(first["inputs"]) == ["particles.star", "tomograms.star"]
    assert [one["type"] for one in first["shown"]] == ["text", "html"]
    assert second["inputs"] == ["Extract/job001/particles.star"]
    assert all((project.folder / name).is_file() for name in second["nodes"])
    assert second["shown"]
    assert "refining 4 particles" in (project.folder / second["folder"] / "run.out").read_text()
    account = json.loads((project.folder / "Extract/job001/extraction_summary.json").read_text())
    assert account["settings"]["weighting"] == "WHITENED"
    account = json.loads((project.folder / "Extract/job003/extraction_summary.json").read_text())
    assert account["settings"]["output"] == "STACK_2D"


def test_tilt_series_are_imported_and_their_residuals_shown(repository: Path, tmp_path: Path) -> None:
    example = repository / "examples" / "empiar-10499"
    (tmp_path / "warp").mkdir()
    shutil.copy(repository / "tests/imports/data/warp/00254.xml", tmp_path / "warp")
    job = {"program": "warp", "alignments": "warp/*.xml", "images": str(example), "thickness": "2400", "hand": "-1"}
    (told,) = run(tmp_path, {"_rlnJobTypeLabel": "subtomo.import", **job})
    assert told["status"] == "Succeeded"
    assert list(told["nodes"].values()) == ["TomogramGroupMetadata.star.relion.tomo.subtomo"]
    assert read_tomograms(tmp_path / told["folder"] / "tomograms.star", project=tmp_path)[0].hand == -1
    assert told["shown"][1:] == [{"type": "image", "title": "Residuals of TS_254"}]


def test_a_job_that_fails_is_known_as_such(project: Project) -> None:
    (told,) = run(project.folder, {"_rlnJobTypeLabel": "subtomo.extract", **INPUT, "box_size": "33"})
    assert told["status"] == "Failed"
    assert "must be a positive even number" in (project.folder / told["folder"] / "run.err").read_text()
    assert told["shown"] == []


def test_the_pipeliner_s_own_job_runs_on_the_stand_in(project: Project) -> None:
    job = {"_rlnJobTypeLabel": "relion.pseudosubtomo", "do_use_direct_entries": "Yes", **INPUT, **SIZES}
    (told,) = run(project.folder, {**job, "binfactor": "1", "crop_size": "-1"})
    assert told["status"] == "Succeeded"
    # as it reads it from what the stand-in says of itself
    assert told["version"] == "5.0"
