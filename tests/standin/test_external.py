"""``subtomo refine`` as RELION's External job starts it, and the files by which the pipeline follows it."""

from __future__ import annotations

import pytest

from subtomo.cli import main
from subtomo.io.star import read_tables
from tests.standin.conftest import SIZES, Project

JOB = "--o External/job002/ --in_parts Extract/job001/particles.star --particle_diameter 60 --rounds 2"


@pytest.fixture
def extracted(project: Project) -> Project:
    """The project with particles in ``Extract/job001``."""
    assert main(["extract", *SIZES.split(), "--for-refine3d", "--o", "Extract/job001/"]) == 0
    return project


def test_an_external_job_refines_and_names_its_results(extracted: Project) -> None:
    # as the GUI builds it: a label and a value each, threads last
    extracted.shell(f"subtomo_refine {JOB} --sym C1  --j 2 >> run.out 2>> run.err")
    assert extracted.endings("External/job002") == ["RELION_JOB_EXIT_SUCCESS"]
    (nodes,) = read_tables(extracted.folder / "External/job002/RELION_OUTPUT_NODES.star")
    names = nodes.text("rlnPipeLineNodeName").tolist()
    assert "External/job002/run_data.star" in names
    assert all((extracted.folder / name).is_file() for name in names)
    assert "refining 4 particles" in (extracted.folder / "run.out").read_text()
    assert "refining" not in (extracted.folder / "run.err").read_text()


def test_an_external_job_that_fails_or_is_stopped_says_so(extracted: Project) -> None:
    words = JOB.split()
    assert main(["refine", *words, "--in_3dref", "nowhere.mrc"]) == 1
    assert extracted.endings("External/job002") == ["RELION_JOB_EXIT_FAILURE"]
    (extracted.folder / "External/job002/RELION_JOB_ABORT_NOW").touch()
    assert main(["refine", *words]) == 2
    assert "RELION_JOB_EXIT_ABORTED" in extracted.endings("External/job002")
    assert not (extracted.folder / "External/job002/run_data.star").exists()


def test_refinement_takes_the_folder_of_the_pipeline(extracted: Project) -> None:
    words = JOB.replace("--in_parts", "--p").split()
    assert main(["refine", *words]) == 0
    assert extracted.endings("External/job002") == []
    assert main(["refine", *words, "--resume", "--pipeline_control", "control/"]) == 0
    assert extracted.endings("control") == ["RELION_JOB_EXIT_SUCCESS"]
