"""Files that are cut short or overwritten somewhere give one clear error, or are read; nothing else happens."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from subtomo.errors import InputError
from subtomo.foreign.ctf_files import read_ctf_file
from subtomo.foreign.dynamo import write_table
from subtomo.foreign.imod_model import write_points
from subtomo.foreign.mdoc import read_mdoc
from subtomo.foreign.motl import write_em, write_stopgap
from subtomo.foreign.picks_source import picks_source
from subtomo.foreign.tilt_series_source import SourceOptions, tilt_series_source
from subtomo.io.reading import collected_warnings

TIMES = 40
SPLINTERS = (b"nan", b"-1", b"1e400", b"\0", b"\n", b" ", b"99999999999", b"<", b'"', b"[", b"inf", b"0", b"\xff")
POSITIONS = np.random.default_rng(0).uniform(5, 50, (6, 3))
ROTATIONS = Rotation.random(6, random_state=0).as_matrix()
NUMBERS = np.arange(1, 7)


def damaged(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content))
    match chance.randrange(4):
        case 0:
            return content[:place]
        case 1:
            return content[:place] + content[place + chance.randint(1, 30) :]
        case 2:
            return content[:place] + bytes([chance.randrange(256)]) + content[place + 1 :]
        case _:
            return content[:place] + chance.choice(SPLINTERS) + content[place:]


def survives(path: Path, read: Callable[[Path], object], target: Path) -> None:
    whole, chance = path.read_bytes(), random.Random(path.name)
    for _ in range(TIMES):
        target.write_bytes(damaged(whole, chance))
        with contextlib.suppress(InputError), collected_warnings():
            read(path if path == target else target)
    target.write_bytes(whole)


@pytest.mark.parametrize(
    ("format_name", "name"), [("warp", "xf_import/00254.xml"), ("aretomo", "aretomo/global_and_local.aln")]
)
def test_alignments(alignments: Path, tmp_path: Path, format_name: str, name: str) -> None:
    source = tilt_series_source(format_name)
    path = alignments / name
    survives(path, lambda damaged: source.read(damaged, SourceOptions()), tmp_path / path.name)


@pytest.mark.parametrize("name", ["TS_001.xf", "TS_001.tlt", "TS_001.edf", "tilt.com", "newst.com"])
def test_files_of_a_folder_of_etomo(alignments: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "s"
    shutil.copytree(alignments / "etomo_TS_001", folder)
    for command in ("tilt.com", "newst.com"):
        shutil.copy(alignments / "imod" / command, folder)
    source = tilt_series_source("imod")
    survives(folder / name, lambda _: source.read(folder / "TS_001.xf", SourceOptions()), folder / name)


@pytest.mark.parametrize("suffix", ["tbl", "star", "em", "mod", "csv", "ndjson", "json"])
def test_picks(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"whole.{suffix}"
    match suffix:
        case "tbl":
            write_table(path, NUMBERS, POSITIONS, ROTATIONS)
        case "star":
            write_stopgap(path, NUMBERS, POSITIONS, ROTATIONS)
        case "em":
            write_em(path, NUMBERS, POSITIONS, ROTATIONS)
        case "mod":
            write_points(path, POSITIONS)
        case "csv":
            path.write_text("tomo,x,y,z,rot,tilt,psi\n" + "TS_1,1,2,3,4,5,6\n" * 3)
        case "json":
            point = {"location": {"x": 1, "y": 2, "z": 3}, "transformation_": np.eye(4).tolist()}
            path.write_text(json.dumps({"pickable_object_name": "a", "run_name": "TS_1", "points": [point] * 3}))
        case _:
            points = ({"location": {"x": 1, "y": 2, "z": 3}, "xyz_rotation_matrix": one.tolist()} for one in ROTATIONS)
            path.write_text("".join(json.dumps(point) + "\n" for point in points))
    survives(path, lambda damaged: picks_source(damaged).read(damaged), tmp_path / f"damaged.{suffix}")


@pytest.mark.parametrize("name", ["a.mdoc", "a_CTF.txt", "a.defocus"])
def test_companions(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.mdoc":
        sections = (
            f"[ZValue = {n}]\nTiltAngle = {n}\nExposureDose = 3\nPriorRecordDose = {3 * n}\n\n" for n in range(5)
        )
        path.write_text("PixelSpacing = 4\nImageFile = a.st\n\n" + "".join(sections))
        survives(path, read_mdoc, path)
        return
    row = "30000 29000 1 0 0.1 8 1" if name == "a_CTF.txt" else "0 0 3000 2900 4 5"
    first = "" if name == "a_CTF.txt" else "5 0 0 0 0 3\n"
    again = "" if name == "a_CTF.txt" else "{n} "
    path.write_text(first + "".join(f"{n} {again.format(n=n)}{row}\n" for n in range(1, 6)))
    survives(path, lambda damaged: read_ctf_file(damaged, np.arange(5), 5), path)
