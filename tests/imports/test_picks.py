"""Picks of other programs: places, orientations, names and units, round trips, and files that are no good."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Literal, get_args, get_type_hints

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from subtomo.cli import main as subtomo
from subtomo.cli.import_picks import PicksFileOptions
from subtomo.errors import InputError
from subtomo.foreign.dynamo import write_table
from subtomo.foreign.formats import PICKS
from subtomo.foreign.imod_model import write_points
from subtomo.foreign.motl import write_em, write_stopgap
from subtomo.foreign.picks_source import picks_source
from subtomo.io.relion import read_particles, read_tomograms
from subtomo.jobs.import_complete import Completion
from subtomo.jobs.import_picks import ImportPicksJob, import_picks
from subtomo.jobs.import_place import Placing
from subtomo.jobs.import_series import ImportJob, import_series
from subtomo.model.foreign_picks import Float, zxz_angles_deg, zxz_rotations
from subtomo.model.particles import ParticleSet
from subtomo.physics.orientation import euler_to_matrix
from subtomo.physics.projection import project
from tests.helpers.importing import write_stack
from tests.helpers.project import write_project

RANDOM = np.random.default_rng(7)
POSITIONS = RANDOM.uniform(5, 25, (6, 3))
ROTATIONS = Rotation.random(6, random_state=8).as_matrix()


@pytest.fixture
def project_folder(tmp_path: Path) -> Path:
    """Two tomograms, TS_1 and TS_2, as RELION leaves them."""
    write_project(tmp_path)
    return tmp_path


def imported(folder: Path, text_or_path: str | Path, name: str = "picks.star", **options: object) -> ParticleSet:
    path = text_or_path if isinstance(text_or_path, Path) else folder / name
    if isinstance(text_or_path, str):
        path.write_text(text_or_path)
    placing = Placing(**{key: options.pop(key) for key in list(options) if key in Placing.__dataclass_fields__})
    import_picks(ImportPicksJob(str(path), "tomograms.star", "out/", placing, project=folder, **options))
    return read_particles(folder / "out" / "particles.star")


def csv(*rows: str, header: str = "tomo_name,x,y,z") -> str:
    return "\n".join((header, *rows)) + "\n"


@pytest.mark.parametrize("kind", ["dynamo", "stopgap", "em"])
def test_tables_of_other_programs_survive_a_round_trip(tmp_path: Path, kind: str) -> None:
    write = {"dynamo": write_table, "stopgap": write_stopgap, "em": write_em}[kind]
    path = tmp_path / {"dynamo": "a.tbl", "stopgap": "a.star", "em": "a.em"}[kind]
    exact = 2e-5 if kind == "em" else 1e-11  # EM files hold single precision
    numbers = np.array([1, 1, 2, 2, 3, 3])
    write(path, numbers, POSITIONS, ROTATIONS)
    picks = picks_source(path).read(path)
    assert picks.series_names.tolist() == list("112233")
    assert np.abs(picks.positions - POSITIONS).max() < exact
    assert picks.rotations is not None
    assert np.abs(picks.rotations - ROTATIONS).max() < exact
    again = tmp_path / f"b{path.suffix}"
    write(again, numbers, picks.positions, picks.rotations)
    second = picks_source(again).read(again)
    assert np.abs(second.positions - picks.positions).max() < exact


def test_models_of_imod_survive_a_round_trip(tmp_path: Path) -> None:
    write_points(tmp_path / "a.mod", POSITIONS)
    picks = picks_source(tmp_path / "a.mod").read(tmp_path / "a.mod")
    assert np.abs(picks.positions - POSITIONS).max() < 1e-5


def test_angles_of_dynamo_are_those_of_the_motivelist_the_other_way_round() -> None:
    # known from conversions between both: phi = -narot, theta = -tilt, psi = -tdrot
    matrix = Rotation.from_euler("zxz", [10.0, 20.0, 30.0], degrees=True).inv().as_matrix()
    assert zxz_angles_deg(matrix[None])[0] == pytest.approx([150.0, 20.0, 170.0])
    assert zxz_rotations(*(np.array([angle]) for angle in (-30.0, -20.0, -10.0)))[0] == pytest.approx(matrix)


@pytest.mark.parametrize("theta", [0.0, 180.0])
def test_upright_orientations_have_angles_without_a_warning(theta: float) -> None:
    matrix = zxz_rotations(np.array([40.0]), np.array([theta]), np.array([-15.0]))
    angles = zxz_angles_deg(matrix)
    assert zxz_rotations(*angles.T) == pytest.approx(matrix)


def test_voxels_are_placed_from_the_corner_with_the_exact_binning(project_folder: Path) -> None:
    series = read_tomograms(project_folder / "tomograms.star", project=project_folder)["TS_1"]
    voxel = 7.407407 * series.pixel_size_angstrom
    middle = np.array(series.size_px) / 7.407407 / 2
    text = csv("TS_1," + ",".join(f"{value:.9f}" for value in middle + np.array([1, 0, -0.5])))
    for known in ({"binning": 7.407407}, {"voxel_size_angstrom": voxel}):
        particles = imported(project_folder, text, "a.csv", **known)
        assert particles.centred
        assert particles.coordinates[0] == pytest.approx([voxel, 0.0, -0.5 * voxel], abs=1e-5)
    counted = imported(project_folder, text, "a.csv", binning=7.407407, first_voxel=1.0)
    assert counted.coordinates[0] == pytest.approx([0.0, -voxel, -1.5 * voxel], abs=1e-5)
    flipped = imported(project_folder, text, "a.csv", binning=7.407407, flip_z=True)
    assert flipped.coordinates[0] == pytest.approx([voxel, 0.0, 0.5 * voxel], abs=1e-5)


def test_voxels_without_a_size_are_refused(project_folder: Path) -> None:
    with pytest.raises(InputError, match=r"nothing says how large these are.*voxel_size_angstrom") as caught:
        imported(project_folder, csv("TS_1,1,2,3"), "a.csv")
    assert "binning" in caught.value.fields


def test_units_that_put_all_outside_are_refused(project_folder: Path) -> None:
    with pytest.raises(InputError, match=r"all 1 positions in TS_1 are outside of it, up to .* times its half side"):
        imported(project_folder, csv("TS_1,60,60,60"), "a.csv", binning=100.0)


@pytest.mark.parametrize(
    "name", ["rec_TS_1.mrc", "TS_1_Vol", "TS_1.tomostar", "TS_001", "1", "/data/TS_1_10.00Apx.mrc"]
)
def test_names_are_found_whatever_programs_add_to_them(project_folder: Path, name: str) -> None:
    particles = imported(project_folder, csv(f"{name},10,10,10"), "a.csv", binning=1.0)
    assert particles.tomogram_names.tolist() == ["TS_1"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["TS_3"], "no tomogram for TS_3"),
        (["TS_1", "rec_TS_1"], "TS_1, rec_TS_1 would all be tomogram TS_1"),
        ([""], "names no tomogram, and its own name decides nothing"),
    ],
)
def test_names_that_mean_none_or_several_are_refused(project_folder: Path, names: list[str], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        imported(project_folder, csv(*(f"{name},10,10,10" for name in names)), "a.csv", binning=1.0)


def test_a_file_without_names_is_matched_by_its_own_or_by_what_is_given(project_folder: Path) -> None:
    write_points(project_folder / "TS_2_rec.mod", POSITIONS[:2])
    assert set(imported(project_folder, project_folder / "TS_2_rec.mod", binning=1.0).tomogram_names) == {"TS_2"}
    given = imported(project_folder, project_folder / "TS_2_rec.mod", binning=1.0, tomogram="TS_1")
    assert set(given.tomogram_names) == {"TS_1"}


def test_dynamos_numbers_are_named_by_the_map_beside(project_folder: Path) -> None:
    write_table(project_folder / "a.tbl", np.array([5, 6]), POSITIONS[:2], ROTATIONS[:2])
    (project_folder / "a.doc").write_text("5 /x/TS_2.mrc\n6 /x/TS_1.mrc\n")
    particles = imported(project_folder, project_folder / "a.tbl", binning=1.0)
    assert particles.tomogram_names.tolist() == ["TS_2", "TS_1"]
    assert np.abs(euler_to_matrix(particles.angles_deg) - ROTATIONS[:2]).max() < 1e-6


def star(columns: dict[str, str], *, table: str = "particles") -> str:
    labels = "".join(f"_{label} #{number}\n" for number, label in enumerate(columns, start=1))
    return f"data_{table}\n\nloop_\n{labels}{' '.join(columns.values())}\n"


def test_a_star_file_of_relion_5_is_taken_over(project_folder: Path) -> None:
    before = read_particles(project_folder / "particles.star")
    after = imported(project_folder, project_folder / "particles.star")
    places = before.coordinates - before.origin_angstrom
    assert np.abs(after.coordinates - places).max() < 1e-5
    whole = euler_to_matrix(before.subtomogram_angles_deg) @ euler_to_matrix(before.angles_deg)
    assert np.abs(euler_to_matrix(after.angles_deg) - whole).max() < 1e-6


def test_pixels_of_relion_4_are_unbinned_ones(project_folder: Path) -> None:
    series = read_tomograms(project_folder / "tomograms.star", project=project_folder)["TS_1"]
    x, y, z = (np.array(series.size_px) / 2).tolist()
    text = star(
        {"rlnTomoName": "TS_1", "rlnCoordinateX": f"{x + 3}", "rlnCoordinateY": f"{y}", "rlnCoordinateZ": f"{z}"}
    )
    particles = imported(project_folder, text)
    assert particles.coordinates[0] == pytest.approx([3 * series.pixel_size_angstrom, 0, 0])


def test_a_star_file_of_pytom_is_moved_to_relions_centre(project_folder: Path) -> None:
    series = read_tomograms(project_folder / "tomograms.star", project=project_folder)["TS_1"]
    centred = {f"rlnCenteredCoordinate{axis}Angst": "30.0" for axis in "XYZ"}
    particles = imported(project_folder, star({"rlnTomoName": "TS_1", **centred, "rlnLCCmax": "0.4"}))
    assert particles.coordinates[0] == pytest.approx([30.0 - series.pixel_size_angstrom] * 3)
    text = (project_folder / "out" / "particles.star").read_text()
    assert "rlnAutopickFigureOfMerit" in text


def test_a_star_file_of_warp_counts_voxels_of_the_size_in_its_name(project_folder: Path) -> None:
    series = read_tomograms(project_folder / "tomograms.star", project=project_folder)["TS_1"]
    x, y, z = (np.array(series.size_px) * series.pixel_size_angstrom / 20.0 / 2).tolist()
    columns = {"rlnCoordinateX": f"{x + 1}", "rlnCoordinateY": f"{y}", "rlnCoordinateZ": f"{z}"}
    text = star({**columns, "rlnMicrographName": "TS_1.tomostar"})
    particles = imported(project_folder, text, "TS_1_20.00Apx_70S.star")
    assert particles.coordinates[0] == pytest.approx([20.0, 0.0, 0.0], abs=1e-4)


def test_picks_of_copick_are_placed_from_the_corner_in_angstrom(project_folder: Path) -> None:
    series = read_tomograms(project_folder / "tomograms.star", project=project_folder)["TS_2"]
    middle = np.array(series.size_px) * series.pixel_size_angstrom / 2
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = ROTATIONS[0], [0, 0, 4]
    point = {
        "location": dict(zip("xyz", (middle + np.array([5, 0, 0])).tolist(), strict=True)),
        "transformation_": matrix.tolist(),
    }
    text = json.dumps({"pickable_object_name": "a", "run_name": "TS_2", "points": [point]})
    particles = imported(project_folder, text, "a.json")
    assert particles.tomogram_names.tolist() == ["TS_2"]
    assert particles.coordinates[0] == pytest.approx([5, 0, 4], abs=1e-4)
    assert np.abs(euler_to_matrix(particles.angles_deg)[0] - ROTATIONS[0]).max() < 1e-6


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tbl", b"", "is empty"),
        ("a.tbl", b"1 2 3\n", "line 1: has 3 values, expected 35 to 42"),
        ("a.tbl", b"nan " * 35, "column 4: found nan"),
        ("a.em", np.array([6, 20, 2, 1], "<i4").tobytes(), "has 16 bytes, expected an EM file"),
        ("a.csv", b"a,b\n1,2\n", "its header has a, b"),
        ("a.csv", b"x,y,z\n1,2\n", "row 2: has 2 values, expected 3"),
        ("a.csv", b"x,y,z\n1,2,q\n", "row 2: found 'q'"),
        ("a.csv", b"x,y,z\n", "has a header, but no row"),
        ("a.mod", b"IMODV1.2" + bytes(20), "cut short or damaged"),
        ("a.star", b"data_x\n\nloop_\n_rlnTomoName #1\nTS_1\n", "rlnCoordinateX"),
        ("a.bin", b"\x00\x01", "is none of the known formats"),
    ],
)
def test_bad_files_are_named_with_what_is_wrong(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        picks_source(tmp_path / name).read(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))


def test_picks_in_a_volume_that_etomo_moved_are_moved_back(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "a.xf").write_text("0 1 -1 0 2 3\n" * 3)
    (folder / "a.tlt").write_text("-30\n0\n30\n")
    (folder / "tilt.com").write_text("THICKNESS 40\nSHIFT 5 -7\n")
    write_stack(folder / "a.st", 3, (100, 80))
    import_series(ImportJob("imod", (str(folder),), "project/", project=tmp_path))
    (tmp_path / "a.csv").write_text("x,y,z\n50,40,20\n")
    job = ImportPicksJob("a.csv", "project/tomograms.star", "out/", Placing(binning=1.0), project=tmp_path)
    summary = import_picks(job)
    particles = read_particles(tmp_path / "out" / "particles.star")
    assert particles.coordinates[0] == pytest.approx([-50.0, 0.0, 70.0])
    assert any("moved by -50, 0, 70 Å" in note for note in summary.notes)


def test_trajectories_put_particles_where_warp_has_them(alignments: Path, tmp_path: Path) -> None:
    with np.load(alignments / "warp" / "positions.npz") as stored:
        points: Float = stored["points_angstrom"]
        seen: Float = stored["seen_angstrom"]
    write_stack(tmp_path / "TS_1.mrcs", 41, (288, 204), pixel_size=16.68)
    path = str(alignments / "warp" / "TS_1.xml")
    import_series(ImportJob("warp", (path,), "p/", Completion((str(tmp_path),)), approximate=True, project=tmp_path))
    rows = (",".join(["TS_1", *(f"{value:.6f}" for value in point)]) for point in points)
    (tmp_path / "a.csv").write_text(csv(*rows, header="tomo_name,x_a,y_a,z_a"))
    job = ImportPicksJob("a.csv", "p/tomograms.star", "p/", Placing(centred=True), project=tmp_path)
    assert import_picks(job).has_motion
    particles = read_particles(tmp_path / "p" / "particles.star", trajectories=tmp_path / "p" / "motion.star")
    [series] = read_tomograms(tmp_path / "p" / "tomograms.star", project=tmp_path)
    assert particles.trajectories is not None
    moved = particles.coordinates[:, None] + np.array(particles.trajectories)
    places = moved / series.pixel_size_angstrom + series.centre_px
    found = project(series.tilts.projection, places)[..., :2] - np.array(series.image_size) / 2
    # at the pixel size of the original images, 0.834 Å
    assert np.abs(found * series.pixel_size_angstrom - seen).max() / 0.834 < 0.1


def test_the_demos_picks_keep_their_places_in_an_imported_project(
    alignments: Path,
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    example = repository / "examples" / "empiar-10499"
    monkeypatch.chdir(tmp_path)
    command = f"import warp {alignments}/warp/00254.xml --images {example} --thickness 2400 --o Import/ --no-pictures"
    assert subtomo(command.split()) == 0
    picks = f"import picks {example}/particles.star --t Import/tomograms.star --o Picks/"
    assert subtomo(picks.split()) == 0
    assert "400 particles of a STAR file imported (400 in TS_254)" in capsys.readouterr().out
    before, after = read_particles(example / "particles.star"), read_particles("Picks/particles.star")
    assert np.abs(before.coordinates - after.coordinates).max() < 1e-5
    assert np.abs(euler_to_matrix(before.angles_deg) - euler_to_matrix(after.angles_deg)).max() < 1e-6
    assert before.half_set is not None
    assert after.half_set is not None
    assert (before.half_set == after.half_set).all()
    assert "rlnTomoParticlesFile" in Path("Picks/optimisation_set.star").read_text()


def test_the_command_offers_every_format_of_the_registry() -> None:
    hints = get_type_hints(PicksFileOptions)
    assert set(get_args(hints["format_name"])) - {type(None)} == {Literal[tuple(PICKS)]}
