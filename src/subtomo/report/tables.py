"""The tables of a report: settings in words, tomograms, particles that were left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from subtomo.model.account import ExtractionSummary
from subtomo.model.plan import LeftOut
from subtomo.model.settings import CircleCrop, ExtraFile, Output
from subtomo.report.collect import ReportData
from subtomo.report.tilts import tilt_angles_deg

MOST_TOMOGRAMS_LISTED = 300
MOST_LEFT_OUT_LISTED = 5000
_KINDS = {
    Output.PSEUDO_SUBTOMOGRAM: "3-D pseudo-subtomograms",
    Output.STACK_2D: "2-D stacks of CTF-weighted images",
    Output.PROJECTIONS: "projections of subtomograms cut from the tomogram",
}


@dataclass(frozen=True)
class TomogramRow:
    """What the table says of a tomogram; None is unknown."""

    name: str
    extracted: int | None
    left_out: int
    tilts: int | None = None
    tilt_range: str | None = None
    last_dose: float | None = None
    underfocus_um: float | None = None
    """Of the image with the lowest dose."""


def setting_rows(account: ExtractionSummary) -> list[tuple[str, str]]:
    """Put the settings into words, in the order of their use."""
    settings, output = account.settings, account.output
    rows = [
        ("Result", _KINDS[settings.output]),
        ("Box and crop size", f"{settings.box_size} and {settings.crop} binned pixels"),
        ("Binning", f"{settings.binning:g}"),
        ("CTF and dose weights", "applied" if settings.apply_ctf else "not applied"),
        ("Contrast", "inverted: density is positive" if settings.invert_contrast else "as in the images"),
        ("Circular mask", _masks(settings.circle_crop)),
        ("Refined offsets", "moved into the coordinates" if settings.moves_coordinates else "kept as they were"),
        ("Frame of the volume", "the particle's own" if settings.apply_orientations else "the subtomogram's"),
        ("Largest dose", _or(settings.max_dose_e_per_a2, "{:g} e/Å²", "all tilts")),
        ("Fewest visible tilts", f"{settings.min_tilts}"),
        ("Dose weights inserted", f"above {settings.dose_cutoff:g}"),
        ("Noise whitened per tilt", "yes" if settings.whiten else "no"),
        ("Weighting of voxels", settings.weighting.name.lower()),
        ("Data term", settings.data_term.name.lower()),
        ("Pre-correction of gridding", "yes" if settings.gridding_precorrection else "no"),
        ("Damped cone", "none" if settings.cone is None else f"{settings.cone.angle_deg:g}°"),
        ("Precision", "half (float16)" if output.float16 else "single (float32)"),
        ("Files of weights", "written" if output.write_weights else "not written"),
        ("Files of particles", "written" if output.write_particles else "not written"),
        ("Sums over particles", "written" if output.write_sums else "not written"),
        ("Extra files", ", ".join(str(kind.name).lower() for kind in output.extra_files) or "none"),
    ]
    if ExtraFile.DIVIDED in output.extra_files or output.write_sums:
        rows += [
            ("Division by CTF²", _or(output.snr, "Wiener, signal-to-noise ratio {:g}", "weights clamped")),
            ("Soft edge of divided particles", f"{output.taper_px:g} voxels"),
            ("Mean of divided particles", "subtracted" if output.subtract_mean else "kept"),
        ]
    return rows


def tomogram_rows(data: ReportData) -> list[TomogramRow]:
    """List the tomograms that have particles or had some, in the order of their file."""
    out = Counter(entry.tomogram for entry in data.account.left_out)
    kept = data.counts
    known = {tomogram.name: tomogram for tomogram in data.tomograms or ()}
    names = [name for name in known if kept[name] or out[name]]
    names += sorted(({*kept} | {*out}) - {*known})
    rows = []
    for name in names[:MOST_TOMOGRAMS_LISTED]:
        extracted = None if data.particles is None and data.account.n_extracted else kept[name]
        if name not in known:
            rows.append(TomogramRow(name, extracted, out[name]))
            continue
        tilts, angles = known[name].tilts, tilt_angles_deg(known[name])
        first = int(np.argmin(tilts.dose_e_per_a2))
        focus = (tilts.defocus_u_angstrom[first] + tilts.defocus_v_angstrom[first]) / 2e4
        span = f"{angles.min():+.0f}° to {angles.max():+.0f}°"
        dose = float(tilts.dose_e_per_a2.max())
        rows.append(TomogramRow(name, extracted, out[name], len(tilts), span, dose, float(focus)))
    return rows


def left_out_rows(account: ExtractionSummary) -> list[LeftOut]:
    """Take the first of the particles that were left out."""
    return list(account.left_out[:MOST_LEFT_OUT_LISTED])


def _masks(crop: CircleCrop) -> str:
    names = {CircleCrop.PATCH: "on patches", CircleCrop.SLICE: "on CTF-weighted images"}
    return " and ".join(text for flag, text in names.items() if flag in crop) or "none"


def _or(value: float | None, form: str, otherwise: str) -> str:
    return otherwise if value is None else form.format(value)
