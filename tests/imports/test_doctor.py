"""Doctor repeats the residual of an import as long as its sources are there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from subtomo.doctor.case import Request
from subtomo.doctor.examine import examine
from subtomo.doctor.findings import Diagnosis, Severity
from subtomo.io.relion import OptimisationSet
from subtomo.jobs.import_complete import Completion
from subtomo.jobs.import_picks import ImportPicksJob, import_picks
from subtomo.jobs.import_place import Placing
from subtomo.jobs.import_series import ImportJob, import_series
from tests.helpers.importing import write_stack


@pytest.fixture
def folder(alignments: Path, tmp_path: Path) -> Path:
    shutil.copy(alignments / "warp" / "TS_1.xml", tmp_path / "TS_1.xml")
    write_stack(tmp_path / "TS_1.mrcs", 41, (288, 204), pixel_size=16.68)
    known = Completion((str(tmp_path),))
    import_series(ImportJob("warp", (str(tmp_path / "TS_1.xml"),), "p/", known, approximate=True, project=tmp_path))
    (tmp_path / "a.csv").write_text("tomo_name,x_a,y_a,z_a\n" + "TS_1,100,200,50\nTS_1,-300,10,-20\n")
    placing = Placing(centred=True)
    import_picks(ImportPicksJob("a.csv", "p/tomograms.star", "p/", placing, project=tmp_path))
    return tmp_path


def examined(folder: Path, **files: str) -> Diagnosis:
    names = OptimisationSet(particles="p/particles.star", tomograms="p/tomograms.star", **files)
    return examine(Request(names, project=folder, headers_only=True))


def of_import(diagnosis: Diagnosis) -> list[tuple[Severity, str]]:
    return [(one.severity, one.what) for one in diagnosis.findings if one.check == "import"]


def test_the_residual_is_told_with_the_trajectories(folder: Path) -> None:
    diagnosis = examined(folder, trajectories="p/motion.star")
    [(severity, what)] = of_import(diagnosis)
    assert severity is Severity.INFO
    assert "without the particles' trajectories, 0.0000 with them" in what
    assert diagnosis.facts["import"]["residuals_px"]["TS_1"] > 0.5


def test_particles_without_the_trajectories_they_need_are_warned_of(folder: Path) -> None:
    [(severity, what)] = of_import(examined(folder))
    assert severity is Severity.WARNING
    assert "movement grids" in what


def test_sources_that_changed_or_are_gone_are_told(folder: Path) -> None:
    source = folder / "TS_1.xml"
    text = source.read_text(encoding="utf-8-sig")
    source.write_text(text.replace("<UseTilt>True", "<UseTilt>False"), encoding="utf-8-sig")
    [(severity, what)] = of_import(examined(folder))
    assert severity is Severity.ERROR
    assert "has 40 views now, but the tomogram 41 tilts" in what
    source.unlink()
    [(severity, what)] = of_import(examined(folder))
    assert severity is Severity.INFO
    assert "are gone" in what
