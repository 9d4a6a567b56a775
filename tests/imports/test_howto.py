"""The how-to pages of imports: their commands run, and one scene gives one average whichever program aligned it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from subtomo.cli import main as subtomo
from subtomo.foreign.dynamo import write_table
from subtomo.foreign.motl import write_stopgap
from subtomo.io.mrc_read import read_volume
from subtomo.io.mrc_write import write_mrc
from subtomo.io.star import format_floats, write_tables
from subtomo.model.foreign_picks import Float
from subtomo.model.table import Table, text_array
from subtomo.physics.fsc import shell_correlation
from subtomo.physics.orientation import euler_to_matrix
from subtomo.simulation.particle import random_particle
from subtomo.simulation.scene import TILT_AXIS_DEG, Slab, lowest_tilts_first, random_angles_deg, slab_images
from tests.helpers.zarr_images import served, write_zarr

PIXEL, BOX, CROP, SLAB = 4.0, 48, 24, 100
TILTS = np.arange(-60.0, 61.0, 10.0)
SHIFTS = np.stack([np.arange(len(TILTS)) % 5 - 2, np.arange(len(TILTS)) % 3 - 1], axis=1)
DEFOCUS = 30_000.0
TRUTH = random_particle(400, 8.0, 0.7, np.random.default_rng(11))


def scene() -> tuple[Slab, Float]:
    random = np.random.default_rng(5)
    side, spacing = 4, 30.0
    width = round(side * spacing) + 2 * BOX
    grid = (np.arange(side) - (side - 1) / 2) * spacing
    places = np.stack(np.meshgrid(grid, grid, [0.0], indexing="ij"), axis=-1).reshape(-1, 3)
    places += random.uniform(-1, 1, places.shape) * [3, 3, SLAB / 4]
    slab = Slab(
        image_size=(width, width),
        size_px=(width, width, SLAB),
        pixel_size_angstrom=PIXEL,
        defocus_angstrom=DEFOCUS,
        hand=-1.0,
        tilts_deg=TILTS,
        dose_e_per_a2=lowest_tilts_first(TILTS, 3.0 * len(TILTS)),
        places_px=places,
        angles_deg=random_angles_deg(len(places), random),
    )
    clean = slab_images(TRUTH, slab, BOX)
    images = random.normal(scale=np.sqrt(clean.var() / 0.2), size=clean.shape) - clean
    moved = [np.roll(image, (y, x), axis=(0, 1)) for image, (x, y) in zip(images, SHIFTS, strict=True)]
    return slab, np.array(moved, np.float32)


SCENE = scene()


def voxels(slab: Slab) -> Float:
    return slab.places_px + np.array(slab.size_px) / 2


def lines(values: object) -> str:
    return "\n".join(str(value) for value in values)  # type: ignore[attr-defined]


def write_warp(slab: Slab, images: Float) -> None:
    n = len(TILTS)
    shifts = SHIFTS * PIXEL
    nodes = "".join(f'<Node X="0" Y="0" Z="{z}" Value="{DEFOCUS / 1e4}" />' for z in range(n))
    Path("warp_tiltseries/tiltstack/TS_1").mkdir(parents=True)
    Path("warp_tiltseries/TS_1.xml").write_text(
        f"""<?xml version="1.0" encoding="utf-8"?>
<TiltSeries AreAnglesInverted="True" LevelAngleX="0" LevelAngleY="0" MagnificationCorrection="1, 0, 0, 1">
<Angles>{lines(-TILTS)}</Angles><Dose>{lines(slab.dose_e_per_a2)}</Dose><UseTilt>{lines(["True"] * n)}</UseTilt>
<AxisAngle>{lines([TILT_AXIS_DEG] * n)}</AxisAngle>
<AxisOffsetX>{lines(shifts[:, 0])}</AxisOffsetX><AxisOffsetY>{lines(shifts[:, 1])}</AxisOffsetY>
<CTF><Param Name="PixelSize" Value="{PIXEL}" /><Param Name="Voltage" Value="300" /><Param Name="Cs" Value="2.7" />
<Param Name="Amplitude" Value="0.1" /></CTF>
<GridCTF Width="1" Height="1" Depth="{n}">{nodes}</GridCTF>
</TiltSeries>"""
    )
    write_mrc(Path("warp_tiltseries/tiltstack/TS_1/TS_1.st"), images, pixel_size_angstrom=PIXEL)
    Path("matching").mkdir()
    columns = {
        f"rlnCoordinate{axis}": format_floats(column) for axis, column in zip("XYZ", voxels(slab).T, strict=True)
    }
    for name, column in zip(("Rot", "Tilt", "Psi"), slab.angles_deg.T, strict=True):
        columns[f"rlnAngle{name}"] = format_floats(column)
    columns["rlnMicrographName"] = text_array(["TS_1.tomostar"] * len(slab.places_px))
    write_tables(Path("matching/TS_1_4.00Apx_known.star"), [Table("", columns)])


def write_aretomo(slab: Slab, images: Float) -> None:
    for name in ("aretomo", "stacks", "picks"):
        Path(name).mkdir()
    width, height = slab.image_size
    rows = "".join(
        f"{view + 1:5d}{TILT_AXIS_DEG:11.4f}    1.00000{x:11.3f}{y:11.3f}  1.00  1.00  1.00  0.00{tilt:10.2f}\n"
        for view, (tilt, (x, y)) in enumerate(zip(TILTS, SHIFTS, strict=True))
    )
    Path("aretomo/TS_1.aln").write_text(
        f"# AreTomo Alignment / Priims bprmMn\n# RawSize = {width} {height} {len(TILTS)}\n# NumPatches = 0\n"
        f"# AlphaOffset = 0.00\n# BetaOffset = 0.00\n# Thickness = {SLAB}\n# SEC ROT GMAG TX TY\n{rows}"
    )
    ctf = "".join(f"{view} {DEFOCUS} {DEFOCUS} 0.0 0.0 0.1 8.0 1\n" for view in range(1, len(TILTS) + 1))
    Path("aretomo/TS_1_CTF.txt").write_text("# Columns: #1 micrograph; #5 - additional phase shift [radians]\n" + ctf)
    write_mrc(Path("stacks/TS_1.mrc"), images, pixel_size_angstrom=1.0)
    write_table(
        Path("picks/TS_1.tbl"), np.ones(len(slab.places_px), int), voxels(slab), euler_to_matrix(slab.angles_deg)
    )


def write_imod(slab: Slab, images: Float) -> None:
    folder = Path("etomo/TS_1")
    folder.mkdir(parents=True)
    Path("picks").mkdir()
    angle = np.deg2rad(TILT_AXIS_DEG)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    rows = [(*matrix.ravel(), *(-matrix @ shift)) for shift in SHIFTS]
    np.savetxt(folder / "TS_1.xf", rows, fmt="%12.7f%12.7f%12.7f%12.7f%12.4f%12.4f")
    np.savetxt(folder / "TS_1.tlt", TILTS, fmt="%8.2f")
    (folder / "tilt.com").write_text(f"$tilt -StandardInput\nTHICKNESS {SLAB}\nTILTFILE TS_1.tlt\n")
    defocus = "".join(f"{view} {view} 0 0 {DEFOCUS / 10}\n" for view in range(1, len(TILTS) + 1))
    (folder / "TS_1.defocus").write_text("0 0 0. 0. 0 3\n" + defocus)
    order = np.argsort(np.argsort(slab.dose_e_per_a2))
    sections = "".join(
        f"[ZValue = {view}]\nTiltAngle = {tilt}\nExposureDose = 3\nDateTime = 01-Jan-2024  10:{minute:02d}:00\n\n"
        for view, (tilt, minute) in enumerate(zip(TILTS, order, strict=True))
    )
    (folder / "TS_1.mdoc").write_text("PixelSpacing = 4\nImageFile = TS_1.st\n\n" + sections)
    write_mrc(folder / "TS_1.st", images, pixel_size_angstrom=PIXEL)
    write_stopgap(
        Path("picks/motl.star"), np.ones(len(slab.places_px), int), voxels(slab), euler_to_matrix(slab.angles_deg)
    )


def write_portal(slab: Slab, images: Float) -> None:
    for name in ("Alignments/100", "TiltSeries", "Annotations"):
        Path("run", name).mkdir(parents=True)
    angle = np.deg2rad(TILT_AXIS_DEG)
    matrix = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    sections = [
        {
            "z_index": view,
            "tilt_angle": float(tilt),
            "volume_x_rotation": 0.0,
            "in_plane_rotation": matrix,
            "x_offset": float(x),
            "y_offset": float(y),
        }
        for view, (tilt, (x, y)) in enumerate(zip(TILTS, SHIFTS, strict=True))
    ]
    content = {"alignment_type": "GLOBAL", "tilt_offset": 0.0, "per_section_alignment_parameters": sections}
    Path("run/Alignments/100/alignment_metadata.json").write_text(json.dumps(content))
    ctf = "".join(f"{view} {DEFOCUS} {DEFOCUS} 0.0 0.0 0.1 8.0\n" for view in range(1, len(TILTS) + 1))
    Path("run/TiltSeries/run_CTF.txt").write_text(ctf)
    write_mrc(Path("run/TiltSeries/run.mrc"), images, pixel_size_angstrom=PIXEL)
    points = (
        {
            "type": "orientedPoint",
            "location": dict(zip("xyz", place.tolist(), strict=True)),
            "xyz_rotation_matrix": turn.tolist(),
        }
        for place, turn in zip(voxels(slab), euler_to_matrix(slab.angles_deg), strict=True)
    )
    Path("run/Annotations/ribosome.ndjson").write_text("".join(json.dumps(point) + "\n" for point in points))


def write_eman2(slab: Slab, images: Float) -> None:
    for name in ("eman2/info", "stacks", "picks"):
        Path(name).mkdir(parents=True)
    rows = [[float(x), float(y), -TILT_AXIS_DEG, -float(tilt), 0.0] for tilt, (x, y) in zip(TILTS, SHIFTS, strict=True)]
    defocus = [DEFOCUS / 1e4] * len(rows)
    content = {"tlt_params": rows, "apix_unbin": PIXEL, "defocus": defocus, "voltage": 300, "cs": 2.7}
    Path("eman2/info/TS_1_info.json").write_text(json.dumps(content))
    write_mrc(Path("stacks/TS_1.mrc"), images, pixel_size_angstrom=PIXEL)
    table = np.concatenate([slab.places_px, slab.angles_deg], axis=1)
    picks = "".join("TS_1," + ",".join(map(repr, row)) + "\n" for row in table.tolist())
    Path("picks/TS_1.csv").write_text("tomo_name,x,y,z,rot,tilt,psi\n" + picks)


PAGES: dict[str, Callable[[Slab, Float], None]] = {
    "from-warp": write_warp,
    "from-aretomo": write_aretomo,
    "from-imod": write_imod,
    "from-eman2": write_eman2,
    "from-portal": write_portal,
}


def commands(page: Path) -> list[list[str]]:
    text = page.read_text(encoding="utf-8")
    return [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("    subtomo ")]


def run_page(repository: Path, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Float:
    folder.mkdir()
    monkeypatch.chdir(folder)
    PAGES[name](*SCENE)
    for command in commands(repository / "docs" / "howto" / f"{name}.md"):
        assert subtomo(command) == 0, command
    return read_volume("Average/merged.mrc")[0]


def test_one_scene_gives_one_average_whichever_program_aligned_it(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    averages = {name: run_page(repository, name, tmp_path / name, monkeypatch) for name in PAGES}
    truth = np.fft.fftshift(np.fft.irfftn(TRUTH.volume_values(CROP), s=(CROP,) * 3, axes=(0, 1, 2)))
    reference = averages["from-warp"]
    assert shell_correlation(reference, truth)[1:5].min() > 0.8
    for name, average in averages.items():
        assert np.abs(average - reference).max() < 1e-3 * np.abs(reference).max(), name


def test_the_page_on_images_of_a_server_runs(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    slab, images = SCENE
    write_warp(slab, images)
    Path("warp_tiltseries/tiltstack/TS_1/TS_1.st").unlink()
    write_zarr(Path("server/session7/TS_1.zarr"), images, chunks=(1, 64, 64), pixel_size=PIXEL)
    with served(Path("server")) as address:
        for command in commands(repository / "docs" / "howto" / "ome-zarr.md"):
            assert subtomo([word.replace("https://tilts.example.org", address) for word in command]) == 0, command
    assert len(list(Path("Extract/Subtomograms").rglob("*_data.mrc"))) == len(slab.places_px)
