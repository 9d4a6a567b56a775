"""Flat tables of images: a row per tilt image, as programs read them that know particles and no tilt series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from subtomo.io.star import format_floats, format_ints, write_tables
from subtomo.model.table import Table, TextArray, text_array
from subtomo.model.tilt_images import TiltImageRows
from subtomo.physics.orientation import matrix_to_euler

Style = Literal["relion", "cryodrgn", "tomodrgn"]

B_FACTOR_PER_DOSE = -4.0
"""Å² per e/Å²: how Warp, M and what follows them write the dose into the column of B-factors."""


@dataclass(frozen=True)
class ImageSizes:
    """What all images share."""

    size: int
    """Pixels of a side."""
    pixel_size_angstrom: float


def write_flat(
    path: str | Path, images: TiltImageRows, names: Sequence[str], sizes: ImageSizes, style: Style = "cryodrgn"
) -> None:
    """Write a flat table of images.

    Args:
        path: The file; its folder must exist.
        images: What is known of each.
        names: Where each is, as ``000001@stack.mrcs``.
        sizes: Of all images.
        style: ``relion`` for the tables of RELION 3.1, CTF as it is and dose as a column of its own; ``cryodrgn`` for
            the same with dose and tilt where Warp writes them, as CTF B-factor (-4 Å² per e/Å²) and scale (cosine);
            ``tomodrgn`` for one table of RELION 3.0 with these.
    """
    microscopes, group = np.unique(images.microscope, axis=0, return_inverse=True)
    group = group.reshape(-1)
    columns = {"rlnImageName": text_array(names), **_of_every_image(images, style)}
    if style == "tomodrgn":
        alone = {"rlnMagnification": np.full(len(names), 10_000.0), "rlnDetectorPixelSize": _all(names, sizes)}
        optics = dict(zip(_MICROSCOPE, images.microscope.T, strict=True))
        columns |= {label: format_floats(values) for label, values in (alone | optics).items()}
        # in pixels, as that version has it
        columns |= {label: format_floats(np.zeros(len(names))) for label in ("rlnOriginX", "rlnOriginY")}
        write_tables(path, [Table("", columns)])
        return
    columns |= {label: format_floats(np.zeros(len(names))) for label in ("rlnOriginXAngst", "rlnOriginYAngst")}
    columns["rlnOpticsGroup"] = format_ints((group + 1).tolist())
    write_tables(path, [_optics(microscopes, sizes), Table("particles", columns)])


_MICROSCOPE = ("rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast")


def _all(names: Sequence[str], sizes: ImageSizes) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    # in micrometres at that magnification this is the pixel size in ångströms
    return np.full(len(names), sizes.pixel_size_angstrom)


def _of_every_image(images: TiltImageRows, style: Style) -> dict[str, TextArray]:
    angles = matrix_to_euler(images.rotation)
    as_warp = style != "relion"
    scale = np.cos(np.radians(images.tilt_deg)) if as_warp else images.scale
    b_factor = B_FACTOR_PER_DOSE * images.dose_e_per_a2 if as_warp else images.b_factor_a2
    numbers = {
        "rlnAngleRot": angles[:, 0],
        "rlnAngleTilt": angles[:, 1],
        "rlnAnglePsi": angles[:, 2],
        "rlnDefocusU": images.defocus[:, 0],
        "rlnDefocusV": images.defocus[:, 1],
        "rlnDefocusAngle": images.defocus[:, 2],
        "rlnPhaseShift": images.phase_shift_deg,
        "rlnCtfScalefactor": scale,
        "rlnCtfBfactor": b_factor,
        "rlnMicrographPreExposure": images.dose_e_per_a2,
        "rlnTomoNominalStageTiltAngle": images.tilt_deg,
    }
    halves = {"rlnRandomSubset": format_ints(images.half_set.tolist())} if images.half_set.any() else {}
    return {
        "rlnMicrographName": text_array(images.tomogram),
        "rlnGroupName": text_array(images.name),
        **{label: format_floats(values) for label, values in numbers.items()},
        **halves,
    }


def _optics(microscopes: np.ndarray[tuple[int, int], np.dtype[np.float64]], sizes: ImageSizes) -> Table:
    n = len(microscopes)
    columns = {
        "rlnOpticsGroup": format_ints(range(1, n + 1)),
        "rlnOpticsGroupName": text_array(f"opticsGroup{i + 1}" for i in range(n)),
        **{label: format_floats(values) for label, values in zip(_MICROSCOPE, microscopes.T, strict=True)},
        "rlnImagePixelSize": format_floats(np.full(n, sizes.pixel_size_angstrom)),
        "rlnImageSize": format_ints([sizes.size] * n),
        "rlnImageDimensionality": format_ints([2] * n),
        "rlnCtfDataAreCtfPremultiplied": format_ints([0] * n),
    }
    return Table("optics", columns)
