"""copick: picks from the JSON files of a project (spec/importing.md, picks)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from subtomo.errors import InputError
from subtomo.foreign.json_values import json_number
from subtomo.foreign.picks_source import PicksSource
from subtomo.foreign.portal import orthogonal_matrices
from subtomo.foreign.text import read_text
from subtomo.model.foreign_picks import Float, ForeignPicks
from subtomo.model.table import text_array


class CopickJson(PicksSource):
    """One JSON object with a list of points, in Å from the tomogram's corner."""

    def recognises(self, path: Path, beginning: bytes) -> bool:
        """Tell by the keys of the object."""
        return b'"pickable_object_name"' in beginning or (b'"points"' in beginning and b'"run_name"' in beginning)

    def read(self, path: Path) -> ForeignPicks:
        """Read the picks; see `PicksSource.read`."""
        try:
            content = json.loads(read_text(path, "picks of copick"))
            points = content["points"]
            run = str(content.get("run_name") or "")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise InputError(f"{path}: is no JSON object with points; expected picks of copick") from None
        if not isinstance(points, list) or not points:
            raise InputError(f"{path}: has no points")
        places, matrices, scores = list[list[float]](), list[Any](), list[float]()
        for number, point in enumerate(points, start=1):
            where = f"{path}: point {number}"
            try:
                location = point["location"]
                places.append([json_number(location[axis], f"{where}, {axis}") for axis in "xyz"])
                scores.append(json_number(point.get("score") or 0.0, f"{where}, score"))
            except (KeyError, TypeError, AttributeError):
                raise InputError(f"{where}: has no location of x, y and z") from None
            matrices.append(point.get("transformation_"))
        rotations, shifts = _transformations(matrices, path)
        return ForeignPicks(
            source=str(path),
            format_name="picks file of copick",
            series_names=text_array([run] * len(places)),
            positions=np.array(places) + shifts,
            unit="angstrom",
            rotations=rotations,
            score=np.array(scores) if any(scores) else None,
        )


def _transformations(matrices: list[Any], path: Path) -> tuple[Float | None, Float]:
    """Split matrices of 4 x 4 into rotations (n, 3, 3) and shifts (n, 3), Å; none where all are missing."""
    if all(matrix is None for matrix in matrices):
        return None, np.zeros((len(matrices), 3))
    try:
        whole = np.array([np.eye(4).tolist() if matrix is None else matrix for matrix in matrices], np.float64)
    except (ValueError, TypeError):
        raise InputError(f"{path}: a transformation_ holds something that is no number") from None
    if whole.shape[1:] != (4, 4) or not np.isfinite(whole).all():
        raise InputError(f"{path}: a transformation_ is no matrix of 4 x 4")
    return orthogonal_matrices(whole[:, :3, :3], f"{path}: a transformation_"), whole[:, :3, 3]
