"""The demo's picks in a project imported from Warp give the average that they give in the demo's own project."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from subtomo.cli import main as subtomo
from subtomo.io.mrc_read import read_volume


def averages(sets: str) -> dict[str, np.ndarray]:
    """Extract the particles of the current folder, binned by two, and average them."""
    assert subtomo(["extract", *sets.split(), "--b", "48", "--crop", "24", "--bin", "2", "--o", "Extract/"]) == 0
    command = "average --p Extract/particles.star --particle_diameter 320 --o Average/"
    assert subtomo(command.split()) == 0
    return {name: read_volume(f"Average/{name}.mrc")[0] for name in ("half1", "half2", "merged")}


def test_the_average_is_that_of_the_demo(
    alignments: Path, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = repository / "examples" / "empiar-10499"
    own, imported = tmp_path / "own", tmp_path / "imported"
    own.mkdir()
    imported.mkdir()
    for path in example.iterdir():
        (own / path.name).symlink_to(path)
    monkeypatch.chdir(own)
    expected = averages("--t tomograms.star --p particles.star")
    monkeypatch.chdir(imported)
    command = f"import warp {alignments}/warp/00254.xml --images {example} --thickness 2400 --o Import/ --no-pictures"
    assert subtomo(command.split()) == 0
    assert subtomo(f"import picks {example}/particles.star --t Import/tomograms.star --o Picks/".split()) == 0
    found = averages("--i Picks/optimisation_set.star")
    for name, volume in expected.items():
        assert np.abs(found[name] - volume).max() < 1e-5 * np.abs(volume).max(), name
