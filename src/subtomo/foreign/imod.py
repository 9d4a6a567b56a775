"""IMOD and eTomo: tilt series from .xf, .tlt, .xtilt and command files (spec/importing.md, IMOD)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from subtomo.errors import InputError
from subtomo.foreign.aretomo import AreTomoAln
from subtomo.foreign.imod_com import TiltCommand, aligned_size_px, read_directive, read_tilt_command
from subtomo.foreign.series_names import plain_name
from subtomo.foreign.text import read_numbers, view_list
from subtomo.foreign.tilt_series_source import (
    SourceOptions,
    TiltSeriesSource,
    refuse_repeated,
    refuse_unequal,
    refuse_unknown_views,
)
from subtomo.model.foreign import Float, ForeignSeries, Frame, ModelPart, RigidAlignment, SourceModel, rotation

MAGNIFICATION = "magnification and stretch"
_HELD = 1e-3
"""Further from 1 than this, particles themselves would be scaled."""
_OTHER_XF = re.compile(r"(_fid|_nonfid|_xcor|\.pre)\.xf$", re.IGNORECASE)
_LOCAL = "local.xf"
"""How the names of IMOD's local alignments end."""
_NOT_ALIGNED = 1e-9
_NOT_ALIGNED_YET = "{}: has {}, but no .xf file, so the tilt series is not aligned"
_SURELY_DEG = 8.0
"""The axis that a program finds is nearer than this to the one it was told."""


@dataclass(frozen=True, eq=False)
class ImodModel(SourceModel):
    """IMOD's formulas: tilt about an axis of the aligned image, then back from the aligned image to the raw one."""

    parts: tuple[ModelPart, ...]
    matrix: Float
    """(n_views, 2, 2) from raw to aligned, about the centres of the images."""
    shift_px: Float
    """(n_views, 2) of the aligned images."""
    x_tilt_deg: Float
    y_tilt_deg: Float
    axis_offset_px: float

    def project(self, points_angstrom: Float, frame: Frame, without: frozenset[str] = frozenset()) -> Float:
        """Project points (m, 3); Å from the centre of the images, (n_views, m, 2)."""
        axis = np.array([self.axis_offset_px, 0.0, 0.0])
        tilted = rotation("y", self.y_tilt_deg) @ rotation("x", self.x_tilt_deg)
        points = points_angstrom / frame.pixel_size_angstrom - axis
        aligned = np.einsum("vij,mj->vmi", tilted[:, :2], points) + axis[:2]
        to_raw = np.asarray(np.linalg.inv(self.matrix), np.float64)
        back = rotation("z", nearest_angle_deg(to_raw))[:, :2, :2] if MAGNIFICATION in without else to_raw
        raw: Float = np.einsum("vij,vmj->vmi", back, aligned) - np.einsum("vij,vj->vi", to_raw, self.shift_px)[:, None]
        raw *= frame.pixel_size_angstrom
        return raw


class ImodFolder(TiltSeriesSource):
    """A folder of eTomo, or one with .xf and .tlt files."""

    program = "IMOD"
    suffixes = (".xf",)
    expected = "a folder of eTomo or an .xf file"

    def in_folder(self, folder: Path) -> list[Path]:
        """List the final transforms of a folder, or else of the folders in it."""
        for pattern in ("*.xf", "*/*.xf"):
            paths = sorted(path for path in folder.glob(pattern) if _is_final(path))
            if paths:
                return paths
        directive = _unfinished(folder)
        if directive is not None:
            raise InputError(_NOT_ALIGNED_YET.format(folder, directive.name))
        return []

    def unaligned(self, folder: Path) -> dict[str, str]:
        """Name the folders of eTomo in a folder that have no final transforms; see `TiltSeriesSource.unaligned`."""
        found = ((path, _unfinished(path)) for path in sorted(folder.iterdir()) if path.is_dir())
        return {
            str(path): _NOT_ALIGNED_YET.format(path, directive.name)
            for path, directive in found
            if directive is not None
        }

    def read(self, path: Path, options: SourceOptions) -> ForeignSeries:
        """Read one tilt series; see `TiltSeriesSource.read`."""
        if path.suffix != ".xf":
            raise InputError(f"{path}: is no .xf file; give the folder of eTomo, or its .xf file")
        aretomo = path.with_suffix(".aln")
        if aretomo.is_file():
            series = AreTomoAln().read(aretomo, options)
            return replace(
                series, notes=(*series.notes, f"{path}: AreTomo's own {aretomo.name} stands beside and is taken")
            )
        files = _Files.beside(path)
        table, tilt, x_tilt, raw_tilt = files.numbers()
        n, command = len(table), files.command
        excluded = command.excluded | _excluded_in_directive(files.directive)
        refuse_unknown_views(excluded | options.exclude_views, n, str(path.parent))
        kept = np.array([view for view in range(n) if view + 1 not in excluded | options.exclude_views], np.int64)
        if not len(kept):
            raise InputError(f"{path.parent}: all {n} views are excluded; nothing is left to import")
        y_tilt = tilt + command.angle_offset_deg
        refuse_repeated(y_tilt[kept], [int(view) + 1 for view in kept], str(files.tilt))
        matrix = table[kept, :4].reshape(-1, 2, 2)
        model = ImodModel(
            parts=tuple(_parts(matrix, command)),
            matrix=matrix,
            shift_px=table[kept, 4:],
            x_tilt_deg=x_tilt[kept] + command.x_axis_tilt_deg,
            y_tilt_deg=y_tilt[kept],
            axis_offset_px=command.axis_offset_px,
        )
        alignment = _rigid(model)
        _refuse_mirrored(alignment.z_rot_deg, files.directive, path)
        return ForeignSeries(
            name=path.name.removesuffix(".xf"),
            source=str(path),
            files=files.names,
            section=kept,
            n_sections=n,
            alignment=alignment,
            model=model,
            lengths_in_pixels=True,
            nominal_tilt_deg=None if raw_tilt is None else raw_tilt[kept],
            left_out=tuple(_left_out(y_tilt, excluded, options.exclude_views)),
            image_size_px=_image_size(command),
            volume_size=(None, None, command.thickness_px),
            tomogram_offset=_tomogram_offset(command, files.newst),
            notes=files.notes,
        )


def nearest_angle_deg(matrix: Float) -> Float:
    """Compute the angles of the rotations nearest to matrices (n, 2, 2), degrees."""
    sine, cosine = matrix[:, 1, 0] - matrix[:, 0, 1], matrix[:, 0, 0] + matrix[:, 1, 1]
    angle: Float = np.rad2deg(np.arctan2(sine, cosine))
    return angle


@dataclass(frozen=True)
class _Files:
    """The companions of an .xf file."""

    xf: Path
    tilt: Path
    x_tilt: Path | None
    raw_tilt: Path | None
    command: TiltCommand
    newst: Path | None
    directive: Path | None
    notes: tuple[str, ...]

    @classmethod
    def beside(cls, path: Path) -> _Files:
        folder, stem = path.parent, path.name.removesuffix(".xf")
        command_file, notes = _of_series(folder, "tilt.com", path)
        command = TiltCommand() if command_file is None else read_tilt_command(command_file)
        newst, _ = _of_series(folder, "newst.com", path)
        named = (folder / f"{stem}.tlt", *([folder / command.tilt_file] if command.tilt_file else []))
        tilt = next((one for one in named if one.is_file()), None)
        if tilt is None:
            raise InputError(f"{path}: has no {stem}.tlt beside it, whose angles it needs; copy the whole folder")
        raw = _if_there(folder / f"{stem}.rawtlt")
        x_named = command.x_tilt_file or f"{stem}.xtilt"
        x_tilt = _if_there(folder / f"{stem}.xtilt") or _if_there(folder / x_named)
        directive = _if_there(folder / f"{stem}.edf")
        return cls(path, tilt, x_tilt, raw, command, newst, directive, notes)

    def numbers(self) -> tuple[Float, Float, Float, Float | None]:
        """Read transforms (n, 6), tilts, tilts about x, and tilts of the stage if they are there, (n,) each.

        Raises:
            InputError: A file is no good, or they are not of equal length.
        """
        table = read_numbers(self.xf, "rows of A11 A12 A21 A22 DX DY", columns=6)
        _refuse_unusable(table[:, :4].reshape(-1, 2, 2), table[:, 4:], self.xf)
        columns = {
            path: read_numbers(path, "one tilt angle per row", columns=1)[:, 0]
            for path in (self.tilt, self.x_tilt, self.raw_tilt)
            if path is not None
        }
        counts = {self.xf.name: len(table), **{path.name: len(column) for path, column in columns.items()}}
        refuse_unequal(counts, str(self.xf.parent))
        tilt = columns[self.tilt]
        x_tilt = np.zeros(len(tilt)) if self.x_tilt is None else columns[self.x_tilt]
        return table, tilt, x_tilt, None if self.raw_tilt is None else columns[self.raw_tilt]

    @property
    def names(self) -> tuple[str, ...]:
        """All files that are read."""
        some = (self.xf, self.tilt, self.x_tilt, self.raw_tilt, self.newst, self.directive)
        return (*(str(path) for path in some if path is not None), *([self.command.path] if self.command.path else []))


def _is_final(path: Path) -> bool:
    """Tell whether a file has the final transforms of a series, and not those of a stage before, or local ones."""
    is_local = path.name.endswith(_LOCAL) and path.with_name(path.name.removesuffix(_LOCAL) + ".xf").exists()
    return not path.is_dir() and not is_local and _OTHER_XF.search(path.name) is None


def _unfinished(folder: Path) -> Path | None:
    """Find eTomo's directive of a series that has no final transforms."""
    directives = sorted(folder.glob("*.edf"))
    return directives[0] if directives and not any(_is_final(path) for path in folder.glob("*.xf")) else None


def _of_series(folder: Path, name: str, xf: Path) -> tuple[Path | None, tuple[str, ...]]:
    """Find a command file, unless it may belong to another series of the folder."""
    path = _if_there(folder / name)
    others = [other for other in folder.glob("*.xf") if _is_final(other) and other != xf]
    if path is None or not others:
        return path, ()
    if name == "tilt.com" and plain_name(read_tilt_command(path).input_projections) == plain_name(xf.name):
        return path, ()
    return None, (f"{xf}: {path} belongs to another series of the folder, or to none; it is not used",)


def _if_there(path: Path) -> Path | None:
    return path if path.is_file() else None


def _refuse_unusable(matrix: Float, shift: Float, path: Path) -> None:
    if np.abs(matrix - np.eye(2)).max() < _NOT_ALIGNED and not shift.any():
        raise InputError(
            f"{path}: all rows are those of no transform, so the tilt series is not aligned; align it first"
        )
    flat = np.flatnonzero(np.linalg.det(matrix) <= 0.0)
    if flat.size:
        raise InputError(
            f"{path}, row {flat[0] + 1}: its matrix mirrors or flattens the image (determinant "
            f"{np.linalg.det(matrix)[flat[0]]:.3g}); the file is damaged, or no alignment of a tilt series"
        )


def _refuse_mirrored(z_rot_deg: Float, directive: Path | None, path: Path) -> None:
    """Refuse rotations whose sign is not that of the image rotation which eTomo was told."""
    told = read_directive(directive).get("Setup.ImageRotationA", "") if directive is not None else ""
    try:
        image_rotation = float(told)
    except ValueError:
        return
    found = float(np.median(z_rot_deg))
    off, off_mirrored = (abs((sign * found - image_rotation + 90) % 180 - 90) for sign in (1, -1))
    if off_mirrored < _SURELY_DEG < off:
        raise InputError(
            f"{path}: rotates images by {found:.1f}°, but eTomo was told {image_rotation:g}° ({directive}): the sign "
            "of the rotations is not IMOD's; perhaps a converter wrote it so. Take IMOD's own file"
        )


def _rigid(model: ImodModel) -> RigidAlignment:
    """Write the model as rotations and shifts: exact but for magnification and stretch."""
    to_raw = np.asarray(np.linalg.inv(model.matrix), np.float64)
    z_rot = nearest_angle_deg(to_raw)
    axis = np.array([model.axis_offset_px, 0.0, 0.0])
    tilted = rotation("y", model.y_tilt_deg) @ rotation("x", model.x_tilt_deg)
    # an axis beside the middle: what a rotation about the middle lacks is a shift of the aligned image
    beside = (axis - tilted @ axis)[:, :2]
    back = rotation("z", z_rot)[:, :2, :2]
    shift = np.einsum("vij,vj->vi", back, beside) - np.einsum("vij,vj->vi", to_raw, model.shift_px)
    return RigidAlignment(model.x_tilt_deg, model.y_tilt_deg, z_rot, shift)


def _parts(matrix: Float, command: TiltCommand) -> Iterator[ModelPart]:
    largest = float(np.abs(np.linalg.svd(matrix, compute_uv=False) - 1.0).max())
    if largest > 1e-6:
        yield ModelPart(MAGNIFICATION, is_carried=largest <= _HELD, detail=f"up to {100 * largest:.3f} %")
    if command.local_file:
        yield ModelPart("local alignment", is_carried=False, detail=f"LOCALFILE {command.local_file}")
    if command.z_factor_file:
        yield ModelPart("Z factors", is_carried=False, detail=f"ZFACTORFILE {command.z_factor_file}")


def _tomogram_offset(command: TiltCommand, newst: Path | None) -> tuple[float, float, float]:
    """Compute where the centre of eTomo's reconstruction is in the alignment, unbinned pixels."""
    subset = np.zeros(2)
    size = aligned_size_px(newst) if newst is not None else None
    if command.full_image_px is not None and size is not None:
        subset = np.array(command.subset_start_px) + np.array(size) / 2.0 - np.array(command.full_image_px) / 2.0
    return float(subset[0] - command.shift_px[0]), float(subset[1]), -command.shift_px[1]


def _image_size(command: TiltCommand) -> tuple[int, int] | None:
    """Give the size of the images that were aligned, if tilt.com has it."""
    full = command.full_image_px
    return None if full is None or min(full) < 1 else (round(full[0]), round(full[1]))


def _excluded_in_directive(path: Path | None) -> frozenset[int]:
    if path is None:
        return frozenset()
    key = "Setup.AxisA.ExcludeProjections"
    return view_list(read_directive(path).get(key, ""), f"{path}: {key}")


def _left_out(tilt: Float, excluded: frozenset[int], wished: frozenset[int]) -> Iterator[str]:
    for view in sorted(excluded | wished):
        reason = "excluded in IMOD" if view in excluded else "as asked"
        yield f"view {view} ({tilt[view - 1]:g}°): {reason}"
