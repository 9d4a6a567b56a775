"""Mistakes that users make are found, each by its name and with the way out; clean projects have no finding."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from subtomo.io.mrc_write import write_mrc
from subtomo.io.star import read_tables, write_tables
from subtomo.model.table import Table, text_array
from tests.doctor.conftest import WORDS, change, examine, findings, found, images, rewrite
from tests.helpers.project import edit, write_motion
from tests.helpers.scene import PIXEL_SIZE

Capture = pytest.CaptureFixture[str]


def test_a_clean_project_has_no_finding_and_its_density_is_seen(scene: Path, capsys: Capture) -> None:
    code, diagnosis = examine("--o", "out/")
    assert (code, findings(diagnosis)) == (0, [])
    assert diagnosis["contrast"]["z"] > 4
    assert diagnosis["prediction"] | {"minutes": 0, "seconds_per_particle": 0} == {
        "particles": 70, "files": 140, "bytes": 70 * (2048 + 4 * 32**3 + 4 * 2 * 17 * 32**2), "minutes": 0,
        "seconds_per_particle": 0,
    }  # fmt: skip
    assert diagnosis["prediction"]["minutes"] > 0
    assert "nothing wrong was found" in capsys.readouterr().out
    assert not Path("out").exists()


def test_real_data_have_no_finding(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (repository / "examples" / "empiar-10499").iterdir():
        Path(path.name).symlink_to(path)
    code, diagnosis = examine(
        "--hand-test", "--hand-particles", "60", at_least=(*WORDS[:4], "--b", "96", "--crop", "48")
    )
    assert (code, findings(diagnosis)) == (0, [])
    assert diagnosis["contrast"]["z"] > 4
    assert not diagnosis["hand"]["is_sure"]
    assert "CTF phases of the hands differ by only" in diagnosis["hand"]["reason"]


def test_equal_names_are_found(scene: Path) -> None:
    names = [f"TS/{i}" for i in (1, 2, 2, *range(4, 70), 1)]
    edit(scene / "particles.star", "particles", rlnTomoParticleName=names)
    code, diagnosis = examine()
    assert code == 1
    assert "2 name(s) belong to more than one particle: TS/1, TS/2" in found(diagnosis, "particles")


def test_missing_images_are_counted_and_named_once(scene: Path) -> None:
    Path("TS.mrcs").unlink()
    code, diagnosis = examine()
    assert code == 1
    assert "1 of 1 image files do not exist" in found(diagnosis, "tomograms")
    assert examine("--image-size", "560x420")[0] == 0


def test_what_is_wrong_with_many_tomograms_is_printed_a_few_times_only(scene: Path, capsys: Capture) -> None:
    names = [f"TS_{i}" for i in range(12)]
    overview = next(table for table in read_tables("tomograms.star") if table.name == "global")
    columns = {label: text_array([str(overview.text(label)[0])] * 12) for label in overview.columns}
    tilts = [f"missing/{name}.star" for name in names]
    columns |= {"rlnTomoName": text_array(names), "rlnTomoTiltSeriesStarFile": text_array(tilts)}
    write_tables("tomograms.star", [Table("global", columns)])
    code, diagnosis = examine()
    assert code == 1
    assert sum(one["check"] == "tomograms" for one in findings(diagnosis)) == 12
    printed = capsys.readouterr().out
    assert printed.count("error   tomograms:") == 5
    assert "7 more like these; --json FILE lists all" in printed


def test_another_pixel_size_in_headers_is_found(scene: Path) -> None:
    write_mrc("TS.mrcs", images(), pixel_size_angstrom=2 * PIXEL_SIZE)
    code, diagnosis = examine()
    assert code == 1
    assert "binned by 2" in found(diagnosis, "pixel size")


def test_optics_that_contradict_each_other_are_found(scene: Path) -> None:
    edit(scene / "particles.star", "optics", rlnVoltage=["200.0"])
    code, diagnosis = examine()
    assert code == 1
    assert "rlnVoltage is 200, but 300 in tomogram TS" in found(diagnosis, "optics")


def test_doses_that_are_all_equal_are_found(scene: Path) -> None:
    edit(scene / "TS.star", "TS", rlnMicrographPreExposure=["3.0"] * 7)
    code, diagnosis = examine()
    assert code == 1
    assert "all 7 tilts have the same" in found(diagnosis, "dose")


@pytest.mark.parametrize(
    ("labels", "check", "message"),
    [
        (("rlnMicrographPreExposure",), "dose", "all 7 tilts have 0 for rlnMicrographPreExposure, so the dose is"),
        (("rlnDefocusU", "rlnDefocusV"), "defocus", "all 7 tilts have 0 for rlnDefocusU and V, so the defocus is"),
    ],
)
def test_doses_and_defocus_that_nobody_knew_are_errors_unless_nothing_uses_them(
    scene: Path, labels: tuple[str, ...], check: str, message: str
) -> None:
    edit(scene / "TS.star", "TS", **{label: ["0.0"] * 7 for label in labels})
    code, diagnosis = examine()
    assert code == 1
    assert message in found(diagnosis, check)
    [finding] = [one for one in findings(diagnosis) if one["check"] == check]
    assert finding["severity"] == "error"
    _, without = examine("--no_ctf")
    assert not [one for one in findings(without) if one["check"] == check]


def test_defocus_in_micrometres_is_found(scene: Path) -> None:
    for label in ("rlnDefocusU", "rlnDefocusV"):
        change("TS.star", "TS", label, lambda values: values / 1e4)
    code, diagnosis = examine()
    assert code == 1
    assert "3 µm are 30000" in found(diagnosis, "defocus")


def test_rows_in_another_order_than_the_images_are_found(scene: Path) -> None:
    order = np.random.default_rng(3).permutation(7)
    change("TS.star", "TS", "rlnTomoNominalStageTiltAngle", lambda values: values[order])
    code, diagnosis = examine()
    assert code == 1
    assert "do not go together" in found(diagnosis, "tilt angles")


def test_an_image_that_is_used_twice_is_found(scene: Path) -> None:
    edit(scene / "TS.star", "TS", rlnMicrographName=[f"{max(i, 2)}@TS.mrcs" for i in range(1, 8)])
    code, diagnosis = examine()
    assert code == 1
    assert "used for more than one tilt: 2@TS.mrcs" in found(diagnosis, "images")


def test_pixels_that_are_not_finite_and_empty_images_are_found(scene: Path) -> None:
    values = images()
    values[3, 200:220, 270:290] = np.nan
    values[5] = 7.0
    rewrite(values)
    code, diagnosis = examine()
    assert code == 1
    message = found(diagnosis, "pixels")
    assert "not finite, or beyond 1e+15: centre of tilt 4" in message
    assert "all pixels are equal: centre of tilt 6" in message


def test_particles_outside_are_named(scene: Path) -> None:
    change("particles.star", "particles", "rlnCenteredCoordinateXAngst", lambda x: np.where(np.arange(70) == 4, 9e4, x))
    code, diagnosis = examine()
    assert code == 1
    assert "1 of 70 particles lie outside their tomogram: TS/5" in found(diagnosis, "coordinates")


def test_trajectories_of_another_length_are_found(scene: Path) -> None:
    write_motion(Path("motion.star"), [f"TS/{i}" for i in range(1, 71)], n_tilts=6)
    code, diagnosis = examine("--mot", "motion.star")
    assert code == 1
    assert "there are 7 tilts" in found(diagnosis, "trajectories")


def test_tomograms_that_are_not_listed_are_found(scene: Path) -> None:
    edit(scene / "particles.star", "particles", rlnTomoName=["TS"] * 60 + ["TS_01"] * 10)
    code, diagnosis = examine()
    assert code == 1
    assert "10 of 70 particles belong to tomograms that tomograms.star does not list: TS_01" in found(
        diagnosis, "tomogram names"
    )


def test_missing_tomogram_sizes_are_found_and_odd_ones_remarked(scene: Path) -> None:
    edit(scene / "tomograms.star", "global", rlnTomoSizeX=["561"])
    code, diagnosis = examine()
    assert (code, findings(diagnosis)) == (0, [])
    assert any(one["check"] == "half pixel" for one in diagnosis["findings"])
    for axis in "XYZ":
        edit(scene / "tomograms.star", "global", without=f"rlnTomoSize{axis}")
    code, diagnosis = examine()
    assert code == 1
    assert "tomogram sizes are missing" in found(diagnosis, "half pixel")


def test_contradicting_options_are_findings_beside_the_others(scene: Path) -> None:
    Path("TS.mrcs").unlink()
    code, diagnosis = examine("--crop", "96")
    assert code == 1
    assert "crop" in found(diagnosis, "options")
    assert found(diagnosis, "tomograms")


def test_a_disk_without_room_is_found(scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(".")._replace(free=1000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    code, diagnosis = examine("--o", "out/")
    assert code == 1
    assert "1.0 kB are free" in found(diagnosis, "disk")
