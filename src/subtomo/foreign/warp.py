"""Warp and M: tilt series from their XML files (spec/importing.md, Warp)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

from subtomo.errors import InputError
from subtomo.foreign.text import finite, read_text
from subtomo.foreign.tilt_series_source import SourceOptions, TiltSeriesSource, refuse_repeated, refuse_unknown_views
from subtomo.foreign.warp_grids import Grid, read_grid
from subtomo.model.foreign import Float, ForeignCtf, ForeignSeries, Frame, Int, ModelPart, RigidAlignment, SourceModel
from subtomo.model.optics import Microscope

MOVEMENT, VOLUME_WARP = "movement grids", "volume warp"
ANGLE_GRIDS, MAGNIFICATION = "angle grids", "magnification correction"
_PER_MICROMETRE = 1e4
_DEGREES_PER_PHASE = 180.0
"""Phase shifts are in units of π."""


@dataclass(frozen=True, eq=False)
class WarpModel(SourceModel):
    """Warp's own formulas: shifts of the tomogram's volume, rotations, an offset, shifts within the image."""

    parts: tuple[ModelPart, ...]
    alignment: RigidAlignment
    """Without what a grid that is uniform in space adds to its shifts."""
    movement: tuple[Grid, Grid]
    warp: tuple[Grid, Grid, Grid]
    views: Int
    """(n_views,) counted from 0, as the grids count them."""
    n_views: int
    """With those that are left out."""
    dose_fraction: Float
    """(n_views,) where a view stands between the lowest and the highest dose."""
    image_size_angstrom: tuple[float, float] | None
    volume_size_angstrom: tuple[float, float, float] | None

    def project(self, points_angstrom: Float, frame: Frame, without: frozenset[str] = frozenset()) -> Float:
        """Project points (m, 3); Å from the centre of the images, (n_views, m, 2)."""
        image = np.array(self.image_size_angstrom or frame.image_size_angstrom)
        volume = np.array(self.volume_size_angstrom or frame.volume_size_angstrom)
        inside = points_angstrom / volume + 0.5
        seen = np.empty((len(self.views), len(points_angstrom), 2))
        for row, matrix in enumerate(self.alignment.rotations):
            points = points_angstrom
            if VOLUME_WARP not in without:
                time = np.full(len(points), self.dose_fraction[row])
                points = points + np.stack([_at(grid, time, inside) for grid in self.warp], axis=1)
            places = points @ matrix.T[:, :2] + self.alignment.shift[row]
            if MOVEMENT not in without:
                time = np.full(len(points), self.views[row] / max(self.n_views - 1, 1))
                x, y = (places / image + 0.5).T
                places = places - np.stack([grid.at(time, y, x) for grid in self.movement], axis=1)
            seen[row] = places
        return seen


def _at(grid: Grid, time: Float, inside: Float) -> Float:
    x, y, z = inside.T
    return grid.at(time, z, y, x) if grid.values.ndim == 4 else grid.at(z, y, x)


class WarpXml(TiltSeriesSource):
    """One XML file per tilt series, as Warp, WarpTools and M keep them."""

    program = "Warp"
    suffixes = (".xml",)
    expected = "an XML file of Warp or M"

    def read(self, path: Path, options: SourceOptions) -> ForeignSeries:
        """Read one tilt series; see `TiltSeriesSource.read`."""
        root = _root(path)
        views = _Views(root, str(path))
        refuse_unknown_views(options.exclude_views, views.n, str(path))
        excluded = np.isin(np.arange(views.n) + 1, list(options.exclude_views))
        kept = np.flatnonzero(views.used & ~excluded)
        if not len(kept):
            raise InputError(f"{path}: all {views.n} views are excluded (UseTilt is False); nothing is left to import")
        refuse_repeated(views.angles[kept], [int(view) + 1 for view in kept], str(path))
        model = _model(root, views, kept, str(path))
        time = kept / max(views.n - 1, 1)
        centre = np.full(len(kept), 0.5)
        uniform = [grid.at(time, centre, centre) if grid.is_uniform_in_space else 0.0 for grid in model.movement]
        alignment = model.alignment
        folded = np.stack([alignment.shift[:, axis] - uniform[axis] for axis in range(2)], axis=1)
        return ForeignSeries(
            name=path.stem,
            source=str(path),
            files=(str(path),),
            section=kept,
            n_sections=views.n,
            alignment=RigidAlignment(alignment.x_tilt_deg, alignment.y_tilt_deg, alignment.z_rot_deg, folded),
            model=model,
            nominal_tilt_deg=views.angles[kept],
            dose_e_per_a2=views.dose[kept] if views.dose is not None else None,
            ctf=_ctf(root, time, str(path)),
            image_names=tuple(_file_name(views.movies[view]) for view in kept) if views.movies else (),
            left_out=tuple(_left_out(views, excluded)),
            microscope=_microscope(root, str(path)),
            original_pixel_size_angstrom=_parameter(root, "PixelSize", str(path)),
            hand=views.hand,
            volume_size=model.volume_size_angstrom or (None, None, None),
            notes=tuple(_notes(root, str(path))),
        )


class _Views:
    """The lists of a file, with one entry per view."""

    def __init__(self, root: Element, source: str) -> None:
        self.angles = _numbers(root, "Angles", source)
        self.n = len(self.angles)
        for name in ("AxisAngle", "AxisOffsetX", "AxisOffsetY"):
            if root.find(name) is None:
                raise InputError(f"{source}: has no {name}, so the tilt series is not aligned; align it in Warp first")
        self.axis, self.offset_x, self.offset_y = (
            self._of_all(root, name, source) for name in ("AxisAngle", "AxisOffsetX", "AxisOffsetY")
        )
        if not (self.axis.any() or self.offset_x.any() or self.offset_y.any()):
            raise InputError(
                f"{source}: AxisAngle and AxisOffset are zero in all views, so the tilt series is not aligned; align "
                "it in Warp first"
            )
        self.dose = self._of_all(root, "Dose", source) if root.find("Dose") is not None else None
        self.used = self._used(root, source)
        self.movies = _lines(root, "MoviePath")
        self._check(len(self.movies), "MoviePath", source, may_lack=True)
        # depths grow away from the detector unless angles are inverted (spec/importing.md, hand)
        self.hand = {"true": -1.0, "false": 1.0}.get((root.get("AreAnglesInverted") or "").lower())

    def _of_all(self, root: Element, name: str, source: str) -> Float:
        values = _numbers(root, name, source)
        self._check(len(values), name, source)
        return values

    def _used(self, root: Element, source: str) -> Any:
        words = [word.lower() for word in _lines(root, "UseTilt")]
        self._check(len(words), "UseTilt", source, may_lack=True)
        wrong = next((word for word in words if word not in ("true", "false")), None)
        if wrong is not None:
            raise InputError(f"{source}: UseTilt holds {wrong!r}, expected True or False")
        return np.array([word == "true" for word in words]) if words else np.ones(self.n, bool)

    def _check(self, count: int, name: str, source: str, *, may_lack: bool = False) -> None:
        if count != self.n and not (may_lack and count == 0):
            raise InputError(
                f"{source}: {name} has {count} entries, but Angles has {self.n}; the file is cut short or damaged"
            )


def _root(path: Path) -> Element:
    """Parse the file; document types are refused, as they could make a small file fill the memory."""
    text = read_text(path, "an XML file of Warp or M")
    if "<!DOCTYPE" in text.upper() or "<!ENTITY" in text.upper():
        raise InputError(f"{path}: has a document type or entities, which no file of Warp has; it is not opened")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no whole XML file ({error}); copy it again") from None
    if root.tag != "TiltSeries":
        kind = "a movie or micrograph" if root.tag == "Movie" else f"<{root.tag[:60]}>"
        raise InputError(f"{path}: holds {kind}, expected <TiltSeries>; give the files of Warp's tilt series")
    return root


def _model(root: Element, views: _Views, kept: Int, source: str) -> WarpModel:
    movement = (read_grid(root, "GridMovementX", source), read_grid(root, "GridMovementY", source))
    warp_x, warp_y, warp_z = (read_grid(root, f"GridVolumeWarp{axis}", source) for axis in "XYZ")
    level_x, level_y = (finite(root.get(f"LevelAngle{axis}") or "0", f"{source}: LevelAngle{axis}") for axis in "XY")
    # the sign of the angles is the hand of Warp's rotation about y
    alignment = RigidAlignment(
        x_tilt_deg=np.full(len(kept), level_x),
        y_tilt_deg=-(views.angles[kept] + level_y),
        z_rot_deg=views.axis[kept],
        shift=np.stack([views.offset_x[kept], views.offset_y[kept]], axis=1),
    )
    image, volume = (
        _sizes(root, "ImageDimensionsAngstrom", 2, source),
        _sizes(root, "VolumeDimensionsAngstrom", 3, source),
    )
    dose = views.dose if views.dose is not None else np.zeros(views.n)
    span = float(dose.max() - dose.min())
    parts = []
    if not all(grid.is_uniform_in_space for grid in movement):
        parts.append(ModelPart(MOVEMENT, is_carried=True))
    if not all(grid.is_zero for grid in (warp_x, warp_y, warp_z)):
        parts.append(ModelPart(VOLUME_WARP, is_carried=True))
    parts += _unmovable(root, kept / max(views.n - 1, 1), source)
    return WarpModel(
        parts=tuple(parts),
        alignment=alignment,
        movement=movement,
        warp=(warp_x, warp_y, warp_z),
        views=kept,
        n_views=views.n,
        dose_fraction=(dose[kept] - dose.min()) / (span or 1.0),
        image_size_angstrom=(image[0], image[1]) if image else None,
        volume_size_angstrom=(volume[0], volume[1], volume[2]) if volume else None,
    )


def _unmovable(root: Element, time: Float, source: str) -> Iterator[ModelPart]:
    """Find what changes particles without moving them, so that no file of RELION holds it."""
    centre = np.full(len(time), 0.5)
    angles = [read_grid(root, f"GridAngle{axis}", source) for axis in "XYZ"]
    largest = max(float(np.abs(grid.values).max()) for grid in angles)
    if largest > 0:
        typical = float(np.sqrt(sum(np.mean(grid.at(time, centre, centre) ** 2) for grid in angles)))
        yield ModelPart(ANGLE_GRIDS, is_carried=False, detail=f"up to {largest:.2f}°, {typical:.2f}° rms")
    words = (root.get("MagnificationCorrection") or "1, 0, 0, 1").replace(",", " ").split()
    matrix = np.array([finite(word, f"{source}: MagnificationCorrection") for word in words])
    if matrix.size != 4:
        raise InputError(f"{source}: MagnificationCorrection has {matrix.size} numbers, expected 4")
    stretch = 100.0 * float(np.abs(np.linalg.svd(matrix.reshape(2, 2), compute_uv=False) - 1.0).max())
    if stretch > 1e-3:
        yield ModelPart(MAGNIFICATION, is_carried=False, detail=f"stretches images by up to {stretch:.2f} %")
    delta = _parameter(root, "PixelSizeDeltaPercent", source) or 0.0
    if delta:
        yield ModelPart("anisotropic pixels", is_carried=False, detail=f"{100.0 * delta:.2f} %")


def _ctf(root: Element, time: Float, source: str) -> ForeignCtf | None:
    if root.find("GridCTF") is None:
        return None
    centre = np.full(len(time), 0.5)
    defocus, delta, angle, phase = (
        read_grid(root, name, source).at(time, centre, centre)
        for name in ("GridCTF", "GridCTFDefocusDelta", "GridCTFDefocusAngle", "GridCTFPhase")
    )
    return ForeignCtf(
        defocus_u_angstrom=(defocus + 0.5 * delta) * _PER_MICROMETRE,
        defocus_v_angstrom=(defocus - 0.5 * delta) * _PER_MICROMETRE,
        astigmatism_deg=angle,
        phase_shift_deg=phase * _DEGREES_PER_PHASE,
    )


def _microscope(root: Element, source: str) -> Microscope | None:
    values = [_parameter(root, name, source) for name in ("Voltage", "Cs", "Amplitude")]
    voltage, aberration, contrast = values
    if voltage is None or aberration is None or contrast is None:
        return None
    return Microscope(voltage_kv=voltage, spherical_aberration_mm=aberration, amplitude_contrast=contrast)


def _notes(root: Element, source: str) -> Iterator[str]:
    if any(value for name in ("ZernikeCoeffsOdd", "ZernikeCoeffsEven") for value in _vector(root, name, source)):
        yield "aberrations that M refined (ZernikeCoeffsOdd, ZernikeCoeffsEven) are not taken over"
    if not read_grid(root, "GridDoseBfacs", source).is_zero:
        yield "B factors that M refined per tilt (GridDoseBfacs) are not taken over; RELION's weights by dose are used"


def _left_out(views: _Views, excluded: Any) -> Iterator[str]:
    for view in range(views.n):
        if not views.used[view] or excluded[view]:
            reason = "UseTilt is False" if not views.used[view] else "as asked"
            yield f"view {view + 1} ({views.angles[view]:g}°): {reason}"


def _lines(root: Element, name: str) -> list[str]:
    element = root.find(name)
    return [] if element is None else [line.strip() for line in (element.text or "").split("\n") if line.strip()]


def _numbers(root: Element, name: str, source: str) -> Float:
    words = _lines(root, name)
    if not words:
        raise InputError(f"{source}: has no {name}; the file is cut short, or the tilt series was never imported")
    return np.array([finite(word, f"{source}: {name}, view {view}") for view, word in enumerate(words, start=1)])


def _sizes(root: Element, name: str, count: int, source: str) -> list[float] | None:
    words = (root.get(name) or "").replace(",", " ").split()
    sizes = [finite(word, f"{source}: {name}") for word in words]
    return sizes if len(sizes) == count and all(size > 0 for size in sizes) else None


def _parameter(root: Element, name: str, source: str) -> float | None:
    """Read a number of the CTF, or else of the options of its fit."""
    for group in ("CTF", "OptionsCTF"):
        for element in root.iterfind(f"{group}/Param"):
            if element.get("Name") == name and element.get("Value"):
                return finite(element.get("Value") or "", f"{source}: {group}, {name}")
    return None


def _vector(root: Element, name: str, source: str) -> list[float]:
    for element in root.iterfind("CTF/Param"):
        if element.get("Name") == name:
            return [finite(word, f"{source}: {name}") for word in (element.get("Value") or "").split(";") if word]
    return []


def _file_name(path: str) -> str:
    return PureWindowsPath(path).name if "\\" in path else PurePosixPath(path).name
