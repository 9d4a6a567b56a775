"""A tiny project with manifolds as the current folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from subtomo.io.star import write_tables
from subtomo.model.table import Table
from tests.helpers.project import write_project

SPHERE = "[55,45,20,12]"
SPHEROID = "[40.5,50,22,50,1,-1,0.5]"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two tomograms and a manifold for each, current while the test runs."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    write_project(folder)
    rows = (("TS_1", ["sphere"], [SPHERE]), ("TS_2", ["spheroid"], [SPHEROID]))
    write_tables(
        folder / "manifolds.star",
        [
            Table(
                name,
                {"rlnTomoManifoldIndex": ["3"], "rlnTomoManifoldType": kinds, "rlnTomoManifoldParams": parameters},
            )
            for name, kinds, parameters in rows
        ],
    )
    return folder
