"""Checks on tilt series: optics, doses, defocus, tilt angles, and the size of the tomogram."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from subtomo.conventions import MISSING_TOMOGRAM_SIZE
from subtomo.doctor.case import Case
from subtomo.doctor.findings import Finding, error, info, listed, warning
from subtomo.io.relion import labels
from subtomo.model.tilt_series import TiltSeries

VOLTAGE_KV = 60.0, 400.0
LARGEST_CS_MM = 10.0
PIXEL_SIZE_ANGSTROM = 0.1, 60.0
LARGEST_DOSE_E_PER_A2 = 500.0
SMALLEST_DEFOCUS_ANGSTROM, LARGEST_DEFOCUS_ANGSTROM = 500.0, 200_000.0
LARGEST_TILT_DEG = 85.0
SAME_ORDER = 0.9
"""Correlation of refined and nominal tilt angles, in absolute value, below which their rows do not belong together."""
SIZE_AGAINST_IMAGE = 0.4, 4.0
"""How large the tomogram's larger side in x and y may be against the images'."""


def check_tilt_series(case: Case) -> Iterator[Finding]:
    """Look at every tilt series by itself, then at what they should have in common."""
    for one in case.series:
        tomogram = one.tomogram
        yield from _optics(tomogram)
        yield from _unknown(case, tomogram)
        yield from _doses(tomogram)
        yield from _defocus(tomogram)
        yield from _tilts(tomogram)
        if one.has_image_size:
            yield from _size(tomogram)
    yield from _centres(case)
    hands = {one.tomogram.hand for one in case.series}
    if len(hands) > 1:
        yield info(
            "hand",
            "tomograms",
            f"hands ({labels.HAND}) differ between tomograms: {sorted(hands)}",
            "series of one session usually share one hand; hand_test=True asks the data",
            field="hand_test",
        )


def _optics(tomogram: TiltSeries) -> Iterator[Finding]:
    where, lens = f"tomogram {tomogram.name}", tomogram.microscope
    if not VOLTAGE_KV[0] <= lens.voltage_kv <= VOLTAGE_KV[1]:
        yield error("optics", where, f"{labels.VOLTAGE} is {lens.voltage_kv:g} kV", "give kilovolts, such as 300")
    if not 0 <= lens.spherical_aberration_mm <= LARGEST_CS_MM:
        yield error(
            "optics",
            where,
            f"{labels.SPHERICAL_ABERRATION} is {lens.spherical_aberration_mm:g} mm",
            "give millimetres, such as 2.7",
        )
    if not PIXEL_SIZE_ANGSTROM[0] <= tomogram.pixel_size_angstrom <= PIXEL_SIZE_ANGSTROM[1]:
        yield error(
            "pixel size",
            where,
            f"{labels.PIXEL_SIZE} is {tomogram.pixel_size_angstrom:g} Å",
            "give the size of an unbinned pixel of the tilt images in Å",
        )
    if abs(tomogram.hand) != 1:
        yield error(
            "hand",
            where,
            f"{labels.HAND} is {tomogram.hand:g}",
            "give 1 or -1; hand_test=True asks the data which",
            field="hand_test",
        )


def _unknown(case: Case, tomogram: TiltSeries) -> Iterator[Finding]:
    """Find doses and defocus that are zero throughout: imports write them where no file says any."""
    settings, tilts, where = case.request.settings, tomogram.tilts, tomogram.source
    if settings is not None and not settings.apply_ctf:
        return
    if len(tilts) > 1 and not tilts.dose_e_per_a2.any():
        yield error(
            "dose",
            where,
            f"all {len(tilts)} tilts have 0 for {labels.DOSE}, so the dose is not known",
            "give the dose accumulated before each image, or late tilts count as much as early ones",
        )
    if not (tilts.defocus_u_angstrom.any() or tilts.defocus_v_angstrom.any()):
        yield error(
            "defocus",
            where,
            f"all {len(tilts)} tilts have 0 for {labels.DEFOCUS}, so the defocus is not known",
            "give defocus in Å, or extract without CTF (apply_ctf=False)",
            field="apply_ctf",
        )


def _doses(tomogram: TiltSeries) -> Iterator[Finding]:
    dose, where = tomogram.tilts.dose_e_per_a2, tomogram.source
    if dose.max() > LARGEST_DOSE_E_PER_A2:
        yield error(
            "dose",
            where,
            f"{labels.DOSE} goes up to {dose.max():g} e/Å²",
            "give the dose before each image in electrons per Å², not per pixel",
        )
    if len(dose) < 2:
        return
    if np.ptp(dose) == 0 and dose[0] != 0:
        yield warning(
            "dose",
            where,
            f"all {len(dose)} tilts have the same {labels.DOSE}, {dose[0]:g} e/Å²",
            "give the dose accumulated before each image, or late tilts count as much as early ones",
        )
    elif dose.any() and len(np.unique(dose)) < len(dose):
        twice = len(dose) - len(np.unique(dose))
        yield warning(
            "dose",
            where,
            f"{twice} of {len(dose)} tilts share their {labels.DOSE} with another",
            "each tilt comes after all earlier ones; check the doses",
        )


def _defocus(tomogram: TiltSeries) -> Iterator[Finding]:
    tilts, where = tomogram.tilts, tomogram.source
    mean = (tilts.defocus_u_angstrom + tilts.defocus_v_angstrom) / 2.0
    typical = float(np.median(mean))
    if typical < 0:
        yield warning(
            "defocus",
            where,
            f"the median defocus is {typical:g} Å, which is overfocus",
            "underfocus is positive in RELION; turn the sign if the series is underfocused",
        )
    elif typical < SMALLEST_DEFOCUS_ANGSTROM and mean.any():
        # hundreds of Å are no defocus for tomography, but they are what micrometres and many zeros look like
        yield warning(
            "defocus", where, f"the median defocus is {typical:g} Å", f"give {labels.DEFOCUS} in Å: 3 µm are 30000"
        )
    elif typical > LARGEST_DEFOCUS_ANGSTROM:
        yield warning("defocus", where, f"the median defocus is {typical:g} Å", f"give {labels.DEFOCUS} in Å")


def _tilts(tomogram: TiltSeries) -> Iterator[Finding]:
    p, where = tomogram.tilts.projection[:, :3, :3], tomogram.source
    tilt = np.rad2deg(np.arctan2(-p[:, 2, 0], np.hypot(p[:, 2, 1], p[:, 2, 2])))
    across = np.rad2deg(np.arccos(np.clip(p[:, 2, 2] / np.linalg.norm(p[:, 2], axis=1), -1.0, 1.0)))
    if across.max() > LARGEST_TILT_DEG:
        rows = np.flatnonzero(across > LARGEST_TILT_DEG) + 1
        yield warning(
            "tilt angles",
            where,
            f"tilts up to {across.max():.0f}° (rows {listed(rows)})",
            f"give {labels.TILT_ANGLE} in degrees, and the axis in {labels.TILT_AXIS}",
        )
    nominal = tomogram.tilts.nominal_tilt_deg
    if len(p) > 1 and np.ptp(across) < 1e-3 and np.ptp(tilt) < 1e-3:
        yield error(
            "tilt angles",
            where,
            f"all {len(p)} tilts have the same angle",
            "run the tilt-series alignment, or give its result",
        )
    elif nominal is not None and len(p) > 4 and np.ptp(nominal) > 10:
        # the tilt axis can lie anyhow, but one component of the tilt must follow the stage
        components = (tilt, np.rad2deg(np.arctan2(p[:, 2, 1], p[:, 2, 2])))
        follows = max(abs(_correlation(component, nominal)) for component in components)
        if follows < SAME_ORDER:
            yield warning(
                "tilt angles",
                where,
                f"aligned and nominal tilt angles do not go together (correlation {follows:.2f})",
                "rows of alignment and images seem to be in different orders; sort them alike",
            )


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first, second)[0, 1]) if np.ptp(first) > 0 else 0.0


def _size(tomogram: TiltSeries) -> Iterator[Finding]:
    """Compare the tomogram's size with the images'."""
    if MISSING_TOMOGRAM_SIZE in tomogram.size_px:
        return
    if min(tomogram.size_px) < 1:
        yield error(
            "tomogram size",
            f"tomogram {tomogram.name}",
            f"its size is {tomogram.size_px} pixels",
            f"give {labels.TOMOGRAM_SIZE} in unbinned pixels",
        )
        return
    ratio = max(tomogram.size_px[:2]) / max(tomogram.image_size)
    if not SIZE_AGAINST_IMAGE[0] <= ratio <= SIZE_AGAINST_IMAGE[1]:
        yield warning(
            "tomogram size",
            f"tomogram {tomogram.name}",
            f"its size is {tomogram.size_px} pixels, but the images are {tomogram.image_size[0]} x "
            f"{tomogram.image_size[1]}",
            f"give {labels.TOMOGRAM_SIZE} in unbinned pixels of the tilt images, not in those of a binned tomogram",
        )


def _centres(case: Case) -> Iterator[Finding]:
    """Warn of sizes that leave the centre in doubt, by half a pixel or altogether."""
    particles = case.particle_set
    used = [one.tomogram for one in case.series if particles is None or len(particles.in_tomogram(one.tomogram.name))]
    missing = [one for one in used if MISSING_TOMOGRAM_SIZE in one.size_px]
    odd = [one for one in used if MISSING_TOMOGRAM_SIZE not in one.size_px and any(side % 2 for side in one.size_px)]
    if missing:
        pixel = missing[0].pixel_size_angstrom
        centred = particles is None or particles.centred
        effect = (
            f"centred coordinates are half a pixel ({pixel / 2:g} Å) off the matrices"
            if centred
            else "neither the centre of tilting nor that of defocus is known"
        )
        yield warning(
            "half pixel",
            listed(one.name for one in missing),
            f"tomogram sizes are missing, so RELION takes -999 and {effect}",
            f"give {labels.TOMOGRAM_SIZE}, in unbinned pixels, as they were when particles were picked",
        )
    if odd:
        pixel = odd[0].pixel_size_angstrom
        yield info(
            "half pixel",
            listed(one.name for one in odd),
            f"tomogram sizes are odd: RELION's matrices use the whole half, its coordinates the exact one, "
            f"which differ by half a pixel ({pixel / 2:g} Å)",
            "harmless if the coordinates come from RELION; else make sizes even before picking",
        )
