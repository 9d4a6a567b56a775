"""A map's surface for a page: still pictures from three sides, and the map itself for the interactive one."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import fft

from subtomo.io.atomic import atomic_write
from subtomo.report.shading import VIEWS, shade
from subtomo.report.style import Picture, label_font
from subtomo.report.surface import (
    ANGSTROM3_PER_DALTON,
    Contour,
    Surface,
    automatic_contour,
    contour_of_volume,
    isosurface,
)

Volume = NDArray[np.floating]

_SIDE_PX = 420
"""Of one view."""
_MARGIN = 1.06
_INK = (122, 135, 148, 255)
"""Grey that can be read on white and on black, as the background is transparent."""
_NICE_ANGSTROM = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_VIEWER_VOXELS = 96
"""Larger maps are made coarser for the interactive surface."""


def surface_picture(name: str, volume: Volume, pixel_size_angstrom: float, contour: Contour) -> Picture:
    """Draw the surface of a map (c, c, c) along z, y and x, with a scale bar, on a transparent background.

    Raises:
        InputError: The map does not cross the contour.
    """
    surface = isosurface(volume, pixel_size_angstrom, contour.level)
    return Picture(
        name,
        f"Shaded surface of the map seen along z, along y and along x, {contour.words}",
        f"Seen along z, along y and along x: {contour.words}.",
        png=_png([_row(surface, _reach(surface))]),
    )


def surface_rows(name: str, volumes: Mapping[str, Volume], pixel_size_angstrom: float, level: float) -> Picture:
    """Draw the surfaces of maps (c, c, c) at one contour level and one scale, a row each, as `surface_picture` does.

    Raises:
        InputError: A map does not cross the level.
    """
    surfaces = [isosurface(volume, pixel_size_angstrom, level) for volume in volumes.values()]
    half = max(map(_reach, surfaces))
    rows = [_row(surface, half) for surface in surfaces]
    for words, row in zip(volumes, rows, strict=True):
        place = (_SIDE_PX // 24, row.height - _SIDE_PX // 24)
        ImageDraw.Draw(row).text(place, words, fill=_INK, font=label_font(_SIDE_PX // 20), anchor="ls")
    words = f"Surfaces of {', '.join(volumes)} along z, y and x, all at the density {level:.3g}"
    return Picture(name, words, f"Rows: {'; '.join(volumes)}. Seen along z, y and x, all at the density {level:.3g}.",
                   png=_png(rows))  # fmt: skip


def draw_surfaces(
    path: str | Path,
    volumes: Mapping[str, Volume],
    pixel_size_angstrom: float,
    enclosed_angstrom3: float | None = None,
) -> dict[str, Contour]:
    """Draw the surfaces of maps from three sides as PNG with a transparent background, one row per map.

    Args:
        path: The PNG file.
        volumes: Caption to map (c, c, c); density is positive.
        pixel_size_angstrom: Of all maps.
        enclosed_angstrom3: Volume that each surface encloses; None to choose contours by Otsu's method.

    Returns:
        The contours.

    Raises:
        InputError: A map has no surface.
    """
    contours = {
        words: automatic_contour(volume, pixel_size_angstrom)
        if enclosed_angstrom3 is None
        else contour_of_volume(volume, pixel_size_angstrom, enclosed_angstrom3)
        for words, volume in volumes.items()
    }
    surfaces = [isosurface(volume, pixel_size_angstrom, contours[words].level) for words, volume in volumes.items()]
    half = max(map(_reach, surfaces))
    rows = [_row(surface, half) for surface in surfaces]
    if len(rows) > 1:
        for words, row in zip(volumes, rows, strict=True):
            place = (_SIDE_PX // 24, row.height - _SIDE_PX // 24)
            ImageDraw.Draw(row).text(place, words, fill=_INK, font=label_font(_SIDE_PX // 20), anchor="ls")
    with atomic_write(path) as stream:
        stream.write(_png(rows))
    return contours


def viewer_payload(volume: Volume, pixel_size_angstrom: float, contour: Contour) -> str:
    """Pack a map (c, c, c) for the interactive surface as JSON: 16-bit voxels where it is not empty, and facts."""
    fine, voxel = _coarser(volume, pixel_size_angstrom)
    lowest, highest = float(fine.min()), float(fine.max())
    background = min(max(lowest, 0.0), contour.level)
    box = tuple(
        slice(max(int(used.min()) - 1, 0), int(used.max()) + 2)
        for used in np.nonzero(np.abs(fine - background) > 1e-3 * (highest - lowest))
    )
    cut = fine[box]
    voxels = np.round((cut - lowest) / (highest - lowest) * 65535).astype("<u2")
    corner = [(part.start - len(fine) // 2) * voxel for part in reversed(box)]
    facts = {
        "size": list(reversed(cut.shape)),
        "voxel_angstrom": voxel,
        "origin_angstrom": corner,
        "lowest": lowest,
        "highest": highest,
        "mean": float(volume.mean()),
        "deviation": float(volume.std()),
        "level": contour.level,
        "angstrom3_per_dalton": ANGSTROM3_PER_DALTON,
        "voxels": base64.b64encode(voxels.tobytes()).decode("ascii"),
    }
    return json.dumps(facts)


def _reach(surface: Surface) -> float:
    """Give half the width, Å, of a picture that holds a surface from every side."""
    return _MARGIN * float(np.linalg.norm(surface.vertices, axis=1).max())


def _row(surface: Surface, half_width_angstrom: float) -> Image.Image:
    """Draw a surface from three sides, with a scale bar."""
    image = Image.fromarray(np.hstack([shade(surface, view, half_width_angstrom, _SIDE_PX) for view in VIEWS.values()]))
    pen, font = ImageDraw.Draw(image), label_font(_SIDE_PX // 24)
    for column, words in enumerate(VIEWS):
        pen.text((column * _SIDE_PX + _SIDE_PX // 24, _SIDE_PX // 40), words, fill=_INK, font=font)
    _scale_bar(pen, font, 2 * half_width_angstrom)
    return image


def _png(rows: Sequence[Image.Image]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.vstack([np.asarray(row) for row in rows])).save(stream, format="png")
    return stream.getvalue()


def _coarser(volume: Volume, pixel_size_angstrom: float) -> tuple[NDArray[np.float32], float]:
    """Cut a map's transform so that it has no more voxels than the interactive surface can move."""
    size = len(volume)
    if size <= _VIEWER_VOXELS:
        return np.asarray(volume, np.float32), pixel_size_angstrom
    small, half = _VIEWER_VOXELS, _VIEWER_VOXELS // 2
    # a centre at size // 2 stays one at small // 2 if the volume is moved there and back
    spectrum = fft.fftshift(fft.fftn(fft.ifftshift(np.asarray(volume, np.float32))))
    middle = slice(size // 2 - half + 1, size // 2 + half)  # Nyquist is left out
    kept = np.zeros((small,) * 3, spectrum.dtype)
    kept[1:, 1:, 1:] = spectrum[middle, middle, middle]
    coarse = fft.fftshift(fft.ifftn(fft.ifftshift(kept)).real) * (small / size) ** 3
    return coarse.astype(np.float32), pixel_size_angstrom * size / small


def _scale_bar(pen: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont, width_angstrom: float) -> None:
    """Draw a bar of a round length into the lower right corner; the width is that of one of three views."""
    length = max((nice for nice in _NICE_ANGSTROM if nice <= width_angstrom / 3.5), default=_NICE_ANGSTROM[0])
    wide, margin = length / width_angstrom * _SIDE_PX, _SIDE_PX // 24
    right, bottom = 3 * _SIDE_PX - margin, _SIDE_PX - margin
    pen.line((right - wide, bottom, right, bottom), fill=_INK, width=max(2, _SIDE_PX // 120))
    words = f"{length / 10:g} nm" if length >= 100 else f"{length:g} Å"
    pen.text((right - wide / 2, bottom - _SIDE_PX // 60), words, fill=_INK, font=font, anchor="mb")
