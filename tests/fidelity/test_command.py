"""``subtomo fidelity`` as its user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from subtomo import InputError
from subtomo.cli import main
from subtomo.io.atoms import read_atoms

QUICK = ["fidelity", "--b", "24", "--crop", "16", "--tilts", "5", "--atoms", "60", "--radius", "9", "--particles", "1"]


@pytest.fixture(autouse=True)
def few_poses(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = (3, 2)
    monkeypatch.setattr("subtomo.jobs.cost_errors.run_experiment.__defaults__", (defaults,))


def test_a_table_numbers_and_pictures_are_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUICK, "--o", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    for kind in ("RELION", "2-D stacks", "whitened", "whitened, corrected", "whitened, exact"):
        assert kind in printed
    account = json.loads((tmp_path / "out" / "fidelity.json").read_text())
    assert account["study"]["conditions"]["n_tilts"] == 5
    assert len(account["points"][0]["noise_power"]["whitened, exact, completed"]) == 9
    assert set(account["points"][0]["errors_percent"]) >= {"RELION", "whitened, exact"}
    for picture in ("errors.png", "costs.png", "noise.png"):
        assert (tmp_path / "out" / picture).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("scan", ["snr=0.5,0.05", "tilts=3,5", "noise-exponent=0,2", "radius=8,10", "crop=14,16"])
def test_settings_can_be_scanned(tmp_path: Path, scan: str) -> None:
    assert main([*QUICK, "--scan", scan, "--o", str(tmp_path)]) == 0
    points = json.loads((tmp_path / "fidelity.json").read_text())["points"]
    assert [point["value"] for point in points] == [float(text) for text in scan.split("=")[1].split(",")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scan", "colour=1,2"], "noise-exponent"),
        (["--scan", "tilts=a,b"], "whole number"),
        (["--tilts", "0"], "--tilts"),
        (["--model", "missing.pdb"], "missing.pdb"),
        (["--particles", "0"], "--particles"),
    ],
)
def test_wrong_options_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main([*QUICK, *options, "--o", str(tmp_path / "out")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


PDB = """\
ATOM      1  N   ALA A   1      11.104   6.134  -6.504  1.00  0.00           N
ATOM      2  CA  ALA A   1      11.639   6.071  -5.147  1.00  0.00           C
HETATM    3  O   HOH A   2      30.000  30.000  30.000  1.00  0.00           O
END
"""


def test_atomic_models_are_read_without_water_and_centred(tmp_path: Path) -> None:
    (tmp_path / "model.pdb").write_text(PDB)
    atoms = read_atoms(tmp_path / "model.pdb")
    assert atoms.weights.tolist() == [7.0, 6.0]
    assert abs((atoms.weights[:, None] * atoms.positions_angstrom).sum()) < 1e-9


def test_a_model_takes_the_place_of_random_particles(tmp_path: Path) -> None:
    (tmp_path / "model.pdb").write_text(PDB)
    assert main([*QUICK, "--model", str(tmp_path / "model.pdb"), "--o", str(tmp_path / "out")]) == 0


def test_files_that_are_no_models_are_told(tmp_path: Path) -> None:
    (tmp_path / "empty.pdb").write_text("END\n")
    with pytest.raises(InputError, match=r"empty\.pdb"):
        read_atoms(tmp_path / "empty.pdb")
