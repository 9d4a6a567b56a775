"""A map's surface for a page: still pictures from three sides, and the map itself for the interactive one."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import fft

from subtomo.report.shading import VIEWS, shade
from subtomo.report.style import Picture, label_font
from subtomo.report.surface import ANGSTROM3_PER_DALTON, Contour, isosurface

Volume = NDArray[np.floating]

_SIDE_PX = 420
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
    return Picture(
        name,
        f"Shaded surface of the map seen along z, along y and along x, {contour.words}",
        f"Seen along z, along y and along x: {contour.words}.",
        png=surface_png(volume, pixel_size_angstrom, contour.level),
    )


def surface_png(volume: Volume, pixel_size_angstrom: float, level: float, *, side_px: int = _SIDE_PX) -> bytes:
    """Draw the surface of a map (c, c, c) from three sides into one PNG, three times as wide as it is high."""
    surface = isosurface(volume, pixel_size_angstrom, level)
    half = _MARGIN * float(np.linalg.norm(surface.vertices, axis=1).max())
    views = [shade(surface, view, half, side_px) for view in VIEWS.values()]
    image = Image.fromarray(np.hstack(views), "RGBA")
    pen = ImageDraw.Draw(image)
    font = label_font(max(11, side_px // 24))
    for column, words in enumerate(VIEWS):
        pen.text((column * side_px + side_px // 24, side_px // 40), words, fill=_INK, font=font)
    _scale_bar(pen, font, side_px, 2 * half)
    stream = io.BytesIO()
    image.save(stream, format="png", optimize=False, compress_level=6)
    return stream.getvalue()


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


def _scale_bar(pen: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont, side_px: int, width_angstrom: float) -> None:
    length = max((nice for nice in _NICE_ANGSTROM if nice <= width_angstrom / 3.5), default=_NICE_ANGSTROM[0])
    wide = length / width_angstrom * side_px
    right, bottom = 3 * side_px - side_px // 24, side_px - side_px // 24
    pen.line((right - wide, bottom, right, bottom), fill=_INK, width=max(2, side_px // 120))
    words = f"{length / 10:g} nm" if length >= 100 else f"{length:g} Å"
    pen.text((right - wide / 2, bottom - side_px // 60), words, fill=_INK, font=font, anchor="mb")
