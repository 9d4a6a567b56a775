"""Picks in STAR files: of RELION 3, 4 and 5, of Warp, and of pytom-match-pick (spec/importing.md, picks)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from subtomo.errors import InputError
from subtomo.io.relion.particles import ANGLES, CENTRED, CLASS_NUMBER, DECENTRED, HALF_SET, ORIGIN, SUBTOMOGRAM_ANGLES
from subtomo.io.star import find_table, read_tables
from subtomo.model.foreign_picks import Float, ForeignPicks, Unit
from subtomo.model.table import Table, text_array
from subtomo.physics.orientation import compose, euler_to_matrix, rotate

_ORIGIN_PX = ("rlnOriginX", "rlnOriginY", "rlnOriginZ")
_PYTOM = "LCCmax"
"""How the label of the score ends that only pytom-match-pick writes; RELION knows no such label."""
_PYTOM_SHIFT_PX = -1.0
"""Its centred coordinates count from a voxel before the middle of the tomogram, n/2 - 1, unbinned."""
_SCORE = "rlnAutopickFigureOfMerit"
_NAMES = ("rlnTomoName", "rlnMicrographName", "wrpSourceName")
_VOXEL_SIZES = ("rlnDetectorPixelSize", "rlnPixelSize")
_IN_NAME = re.compile(r"_(\d+\.\d+)Apx", re.IGNORECASE)


def are_star_picks(path: Path, beginning: bytes) -> bool:
    """Tell by labels among the first bytes, or by the name."""
    return b"_rln" in beginning or b"_wrp" in beginning or path.suffix.lower() == ".star"


def read_star_picks(path: Path) -> ForeignPicks:
    """Read a STAR file with one row per particle.

    Raises:
        InputError: The file cannot be read, or a value makes no sense.
    """
    tables = read_tables(path)
    table = find_table(tables, "particles") or next((one for one in tables if len(one) and not one.is_list), None)
    if table is None or not len(table):
        raise InputError(f"{path}: has no table with rows, expected one row per particle")
    pytom = next((label for label in table.labels if label.endswith(_PYTOM)), None)
    is_pytom = pytom is not None
    positions, unit, centred = _positions(table)
    voxel_size = _voxel_size(table, find_table(tables, "optics"), path)
    rotations = _rotations(table)
    positions = positions - _origins(table, unit, voxel_size, path)
    notes = []
    if is_pytom and centred:
        notes.append(f"{path}: pytom-match-pick counts from n/2 - 1; one unbinned pixel is taken away along each axis")
    if SUBTOMOGRAM_ANGLES[0] in table:
        notes.append(f"{path}: frames of subtomograms are taken together with the angles in them")
    score = _SCORE if _SCORE in table else pytom
    name = next((label for label in _NAMES if label in table), None)
    return ForeignPicks(
        source=str(path),
        format_name="STAR file of pytom-match-pick" if is_pytom else "STAR file",
        series_names=table.text(name) if name is not None else text_array([""] * len(table)),
        positions=positions,
        unit=unit,
        centred=centred,
        rotations=rotations,
        voxel_size_angstrom=voxel_size,
        shift_unbinned_px=_PYTOM_SHIFT_PX if is_pytom and centred else 0.0,
        score=table.floats(score) if score is not None else None,
        half_set=table.ints(HALF_SET) if HALF_SET in table else None,
        class_number=table.ints(CLASS_NUMBER) if CLASS_NUMBER in table else None,
        notes=tuple(notes),
    )


def _positions(table: Table) -> tuple[Float, Unit, bool]:
    """Read positions (n, 3), their unit, and whether they count from the centre."""
    if all(label in table for label in CENTRED):
        return _triple(table, CENTRED), "angstrom", True
    table.require(*DECENTRED)
    positions = _triple(table, DECENTRED)
    if len(positions) > 1 and positions.min() >= 0 and positions.max() <= 1:
        return positions, "fraction", False
    # RELION 4 names tomograms and counts pixels of the tilt images
    return positions, "unbinned pixels" if "rlnTomoName" in table else "voxels", False


def _rotations(table: Table) -> Float | None:
    if ANGLES[0] not in table and SUBTOMOGRAM_ANGLES[0] not in table:
        return None
    return compose(_frame(table), euler_to_matrix(_triple(table, ANGLES)))


def _frame(table: Table) -> Float:
    """Give the frames of the subtomograms, (n, 3, 3)."""
    return euler_to_matrix(_triple(table, SUBTOMOGRAM_ANGLES))


def _origins(table: Table, unit: Unit, voxel_size: float | None, path: Path) -> Float:
    """Give the refined offsets in the unit of the positions, (n, 3) in the tomogram's frame."""
    if not any(label in table for label in (*ORIGIN, *_ORIGIN_PX)):
        return np.zeros((len(table), 3))
    if all(label in table for label in ORIGIN):
        origin = rotate(_frame(table), _triple(table, ORIGIN))
        if unit == "angstrom" or not origin.any():
            return origin
        if voxel_size is None:
            raise InputError(
                f"{path}: has offsets in Å but positions in pixels, and says no pixel size; add "
                "rlnTomoTiltSeriesPixelSize to its optics table"
            )
        return origin / voxel_size
    origin = rotate(_frame(table), _triple(table, _ORIGIN_PX))
    if unit == "angstrom":
        raise InputError(f"{path}: has offsets in pixels but positions in Å; write offsets in Å, too")
    return origin


def _voxel_size(table: Table, optics: Table | None, path: Path) -> float | None:
    """Find the size of the voxels or pixels that positions count, Å."""
    if "rlnTomoName" in table and optics is not None and "rlnTomoTiltSeriesPixelSize" in optics:
        return float(optics.floats("rlnTomoTiltSeriesPixelSize")[0])
    label = next((label for label in _VOXEL_SIZES if label in table), None)
    if label is not None and "rlnMagnification" in table and label == "rlnDetectorPixelSize":
        # RELION 3: µm on the detector over the magnification
        return float(1e4 * table.floats(label)[0] / table.floats("rlnMagnification")[0])
    if label is not None:
        return float(table.floats(label)[0])
    found = _IN_NAME.search(path.name)
    return float(found[1]) if found else None


def _triple(table: Table, labels: tuple[str, str, str]) -> Float:
    zero = np.zeros(len(table))
    return np.stack([table.floats(label) if label in table else zero for label in labels], axis=1)
