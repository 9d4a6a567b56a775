"""CryoET Data Portal: tilt series from alignment JSON files, picks from ndjson (spec/importing.md, portal)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from subtomo.errors import InputError
from subtomo.foreign.json_values import json_number, json_object
from subtomo.foreign.picks_source import PicksSource
from subtomo.foreign.text import read_text
from subtomo.foreign.tilt_series_source import SourceOptions, TiltSeriesSource, refuse_repeated, refuse_unknown_views
from subtomo.model.foreign import Float, ForeignSeries, Frame, ModelPart, RigidAlignment, SourceModel, rotation
from subtomo.model.foreign_picks import ForeignPicks
from subtomo.model.table import text_array

_METADATA, _FOLDER = "alignment_metadata", "alignments"
_SECTIONS = "per_section_alignment_parameters"
_ORTHOGONAL = 1e-3


@dataclass(frozen=True, eq=False)
class PortalModel(SourceModel):
    """The portal's terms: rotations of the volume, then a matrix within the image, then offsets in pixels."""

    parts: tuple[ModelPart, ...]
    in_plane: Float
    """(n_views, 2, 2)"""
    x_tilt_deg: Float
    y_tilt_deg: Float
    offset_px: Float
    """(n_views, 2)"""

    def project(self, points_angstrom: Float, frame: Frame, without: frozenset[str] = frozenset()) -> Float:
        """Project points (m, 3); Å from the centre of the images, (n_views, m, 2)."""
        tilted = (rotation("y", self.y_tilt_deg) @ rotation("x", self.x_tilt_deg))[:, :2]
        seen: Float = np.einsum("vij,vjk,mk->vmi", self.in_plane, tilted, points_angstrom)
        seen += self.offset_px[:, None] * frame.pixel_size_angstrom
        return seen


class PortalJson(TiltSeriesSource):
    """One alignment_metadata.json per tilt series."""

    program = "the CryoET Data Portal"
    suffixes = (".json",)
    expected = "an alignment_metadata.json of the CryoET Data Portal"

    def in_folder(self, folder: Path) -> list[Path]:
        """List the alignments anywhere in a folder, as the portal lays them out."""
        return sorted(path for path in folder.rglob("*.json") if _METADATA in path.name)

    def read(self, path: Path, options: SourceOptions) -> ForeignSeries:
        """Read one tilt series; see `TiltSeriesSource.read`."""
        content = json_object(path, self.expected)
        sections = content.get(_SECTIONS)
        if not isinstance(sections, list) or not sections:
            raise InputError(f"{path}: has no {_SECTIONS}, so the tilt series is not aligned; expected {self.expected}")
        table = np.array([_row(one, f"{path}: section {number}") for number, one in enumerate(sections)])
        place = table[:, 0].astype(np.int64)
        n = int(place.max()) + 1
        if len(set(place.tolist())) < len(place) or place.min() < 0:
            raise InputError(f"{path}: two sections have one z_index, or one is below zero; the file is damaged")
        refuse_unknown_views(options.exclude_views, n, str(path))
        kept = np.array([int(one) + 1 not in options.exclude_views for one in place])
        if not kept.any():
            raise InputError(f"{path}: no view is left to import")
        order = np.flatnonzero(kept)[np.argsort(place[kept], kind="stable")]
        table, place = table[order], place[order]
        refuse_repeated(table[:, 1], [int(one) + 1 for one in place], str(path))
        matrix = table[:, 3:7].reshape(-1, 2, 2)
        _refuse_other_matrices(matrix, content, path)
        model = PortalModel(tuple(_parts(content)), matrix, table[:, 2], table[:, 1], table[:, 7:9])
        # several in a file are of one series, so the name is that of the run's folder
        return ForeignSeries(
            name=_name(path),
            source=str(path),
            files=(str(path),),
            section=place,
            n_sections=n,
            alignment=RigidAlignment(
                x_tilt_deg=table[:, 2],
                y_tilt_deg=table[:, 1],
                z_rot_deg=np.rad2deg(np.arctan2(matrix[:, 1, 0], matrix[:, 0, 0])),
                shift=table[:, 7:9],
            ),
            model=model,
            lengths_in_pixels=True,
            nominal_tilt_deg=table[:, 1] - json_number(content.get("tilt_offset") or 0.0, f"{path}: tilt_offset"),
            left_out=tuple(
                f"section {one}: not in the alignment" for one in sorted(set(range(n)) - set(place.tolist()))
            ),
        )


class PortalNdjson(PicksSource):
    """One JSON object per line, with a location and perhaps a rotation."""

    def recognises(self, path: Path, beginning: bytes) -> bool:
        """Tell by the name or the first object."""
        return path.suffix.lower() in (".ndjson", ".jsonl") or (
            beginning.lstrip().startswith(b"{") and b'"location"' in beginning
        )

    def read(self, path: Path) -> ForeignPicks:
        """Read the picks; see `PicksSource.read`."""
        places, matrices = list[list[float]](), list[Any]()
        for number, line in enumerate(read_text(path, "points of the CryoET Data Portal").splitlines(), start=1):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            try:
                point = json.loads(line)
                location = point["location"]
                places.append([json_number(location[axis], f"{where}: {axis}") for axis in "xyz"])
            except (ValueError, KeyError, TypeError, RecursionError):
                raise InputError(f"{where}: is no point with a location of x, y and z; correct it") from None
            matrices.append(point.get("xyz_rotation_matrix"))
        if not places:
            raise InputError(f"{path}: holds no point; expected one per line")
        return ForeignPicks(
            source=str(path),
            format_name="ndjson of the CryoET Data Portal",
            series_names=text_array([""] * len(places)),
            positions=np.array(places),
            unit="voxels",
            rotations=_rotations(matrices, path),
        )


def _row(section: Any, where: str) -> list[float]:
    """Give z_index, tilt, rotation about x, matrix and offsets of one section."""
    try:
        matrix = section["in_plane_rotation"]
        values = (
            section["z_index"],
            section["tilt_angle"],
            section.get("volume_x_rotation") or 0.0,
            *matrix[0],
            *matrix[1],
            section["x_offset"],
            section["y_offset"],
        )
    except (KeyError, TypeError, IndexError, AttributeError):
        raise InputError(f"{where}: lacks z_index, tilt_angle, in_plane_rotation or an offset") from None
    if len(values) != 9:
        raise InputError(f"{where}: in_plane_rotation is no matrix of 2 x 2")
    return [json_number(value, where) for value in values]


def _refuse_other_matrices(matrix: Float, content: dict[str, Any], path: Path) -> None:
    """Refuse what is no rotation in the image, and a volume that was moved."""
    off = np.abs(matrix @ matrix.transpose(0, 2, 1) - np.eye(2)).max()
    if off > _ORTHOGONAL or (np.linalg.det(matrix) < 0).any():
        raise InputError(
            f"{path}: in_plane_rotation is no rotation in a section (off by {off:.3g}); it cannot be imported"
        )
    affine, moved = content.get("affine_transformation_matrix"), content.get("volume_offset")
    identity = np.eye(4).tolist()
    if (affine is not None and affine != identity) or (isinstance(moved, dict) and any(moved.values())):
        raise InputError(
            f"{path}: moves the volume (affine_transformation_matrix or volume_offset), which is not imported; take "
            "the alignment of the tomogram as it was reconstructed"
        )


def _parts(content: dict[str, Any]) -> Iterator[ModelPart]:
    if str(content.get("alignment_type") or "").upper() == "LOCAL":
        yield ModelPart("local alignment", is_carried=False, detail="alignment_type is LOCAL")


def _name(path: Path) -> str:
    """Name the series after its run: the folder above that of the alignments."""
    if path.stem != _METADATA:
        return path.stem
    for parent in path.parents:
        if parent.name.lower() == _FOLDER:
            return parent.parent.name
    return path.parent.name or path.stem


def _rotations(matrices: list[Any], path: Path) -> Float | None:
    given = [matrix is not None for matrix in matrices]
    if not any(given):
        return None
    if not all(given):
        raise InputError(f"{path}: some points have a rotation and others have none; split the file")
    try:
        rotations = np.array(matrices, np.float64)
    except (ValueError, TypeError):
        raise InputError(f"{path}: an xyz_rotation_matrix holds something that is no number") from None
    return orthogonal_matrices(rotations, f"{path}: an xyz_rotation_matrix")


def orthogonal_matrices(rotations: Float, where: str) -> Float:
    """Give the matrices as they are; InputError unless all are rotations (n, 3, 3)."""
    whole = rotations.shape[1:] == (3, 3) and np.isfinite(rotations).all()
    if not whole or np.abs(rotations @ rotations.transpose(0, 2, 1) - np.eye(3)).max() > _ORTHOGONAL:
        raise InputError(f"{where} is no rotation of 3 x 3")
    if (np.linalg.det(rotations) < 0).any():
        raise InputError(f"{where} mirrors the particle; give rotations")
    return rotations
