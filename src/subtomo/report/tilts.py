"""Charts over tilts: which particles are visible where, and how much CTF and dose leave of each tilt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from subtomo.model.plan import SeriesPlan
from subtomo.model.settings import Output
from subtomo.model.tilt_series import TiltSeries
from subtomo.physics.ctf import ctf_terms, ctf_values
from subtomo.physics.dose import dose_weights
from subtomo.report.chart import Axis, Chart, even_axis, resolution_axis, span
from subtomo.report.collect import ReportData
from subtomo.report.style import Picture, chart, colour_column, colour_map

_FREQUENCIES = 128
_LINES = 300
Float = NDArray[np.float64]


def tilt_angles_deg(tomogram: TiltSeries) -> Float:
    """Return the tilt of each image (n_tilts,): the nominal one, else that of the beam against the z axis."""
    if tomogram.tilts.nominal_tilt_deg is not None:
        return tomogram.tilts.nominal_tilt_deg
    beam = tomogram.tilts.projection[:, 2, :3]
    across = np.where(np.abs(beam[:, 0]) >= np.abs(beam[:, 1]), -beam[:, 0], beam[:, 1])
    tilt: Float = np.rad2deg(np.arctan2(np.sign(across) * np.hypot(beam[:, 0], beam[:, 1]), beam[:, 2]))
    return tilt


def visibility_charts(data: ReportData) -> list[Picture]:
    """Draw how many tilts saw each particle, and which tilts saw how many of them."""
    if data.plan is None or not len(data.plan):
        return []
    counts = np.concatenate([plan.visible.sum(axis=1) for plan in data.plan.series])
    out = np.array([entry.visible_tilts for entry in data.account.left_out])
    lowest, highest, most = int(counts.min()), int(counts.max()), max(p.series.n_tilts for p in data.plan.series)
    alt = f"Histogram of the number of tilts that see a particle: {lowest} to {highest} of at most {most}"
    caption = f"Visible tilts per particle: {lowest} to {highest} of {most}, median {np.median(counts):g}."

    step = max(1, int(np.ceil((most + 1) / 45)))
    edges = np.arange(-0.5, most + step + 0.5, step)
    # a particle stands for more than one if these are a sample
    kept = np.histogram(counts, edges)[0] * data.account.n_extracted / len(counts)
    lost = np.histogram(out, edges)[0] if len(out) else np.zeros(len(kept))
    histogram = Chart(
        even_axis("tilts in which the particle's box lies inside the image", -0.5, most + 0.5, whole=True),
        even_axis("particles", 0, 1.05 * float((kept + lost).max()), whole=True),
    )
    gap = 0.06 * step
    histogram.bars(edges[:-1] + gap, edges[1:] - gap, kept, "kept", "extracted")
    if len(out):
        histogram.stacked_bars(edges[:-1] + gap, edges[1:] - gap, kept, kept + lost, "out", "left out")

    angle, share = _share_by_angle(data.plan.series)

    half = 0.42 * float(np.min(np.diff(angle))) if len(angle) > 1 else 0.5
    by_angle = Chart(even_axis("tilt, °", *span([angle])), even_axis("particles seen, %", 0, 103))
    by_angle.bars(angle - half, angle + half, 100 * share, "kept")

    least = int(np.argmin(share))
    told = f"Particles seen at each tilt: {100 * share[least]:.0f} % at {angle[least]:.0f}°, the least."
    seen = f"Bars of the percentage of particles seen at each tilt, least {100 * share[least]:.0f} %"
    return [chart("visible-tilts", alt, caption, histogram), chart("seen-by-tilt", seen, told, by_angle)]


def _share_by_angle(plans: tuple[SeriesPlan, ...]) -> tuple[Float, Float]:
    """List tilts, in steps of the tilt scheme, and the share of particles that are visible there."""
    shown = [plan for plan in plans if len(plan)]
    angles = [tilt_angles_deg(plan.series) for plan in shown]
    # tomograms tilted by slightly different angles share the steps of the first one
    first = np.unique(np.round(angles[0]))
    step = max(1.0, float(np.round(np.median(np.diff(first))))) if len(first) > 1 else 1.0
    seen = [plan.visible.sum(axis=0) for plan in shown]
    total = [np.full(len(some), len(plan)) for some, plan in zip(angles, shown, strict=True)]
    values, inverse = np.unique(step * np.round(np.concatenate(angles) / step), return_inverse=True)
    share: Float = np.bincount(inverse, np.concatenate(seen)) / np.bincount(inverse, np.concatenate(total))
    return values, share


@dataclass(frozen=True, eq=False)
class _Weights:
    """How much CTF and dose leave of the tilts of a tomogram, along x."""

    tomogram: TiltSeries
    frequency: Float
    """(f,) 1/Å."""
    dose: Float
    """(n_tilts, f) dose weights."""
    squared: Float
    """(n_tilts, f) what is added to the weight volume."""
    used: NDArray[np.bool_]
    """(n_tilts,) within the dose limit."""
    cutoff: float
    """Of the dose weights."""
    what: str


def weight_charts(data: ReportData) -> list[Picture]:
    """Draw how much CTF and dose leave of each tilt of one tomogram, what they add up to, and the defocus."""
    tomogram = _typical(data)
    if tomogram is None:
        return []
    settings = data.account.settings
    if settings.output is Output.PROJECTIONS:  # made of the tomogram, without weights
        return [_defocus_chart(tomogram)]
    frequency, dose, ctf = _weights(tomogram, settings.binning)
    limit = settings.max_dose_e_per_a2
    weights = _Weights(
        tomogram=tomogram,
        frequency=frequency,
        dose=dose,
        squared=(ctf * dose) ** 2 if settings.apply_ctf else np.ones_like(dose),
        used=np.asarray(tomogram.tilts.dose_e_per_a2 <= (np.inf if limit is None else limit)),
        cutoff=settings.dose_cutoff,
        what="CTF² × dose weight²" if settings.apply_ctf else "1, as CTF and dose are not applied",
    )
    return [_tilt_chart(weights), _sum_chart(weights), _defocus_chart(tomogram)]


def _tilt_chart(weights: _Weights) -> Picture:
    """Draw one row per tilt, in order of dose, and where the dose cutoff ends it."""
    tomogram, frequency, highest = weights.tomogram, weights.frequency, weights.frequency[-1]
    order = np.argsort(tomogram.tilts.dose_e_per_a2, kind="stable")
    n = len(order)
    beyond = weights.dose[order] <= weights.cutoff
    ends = np.where(beyond.any(axis=1), frequency[np.argmax(beyond, axis=1)], np.nan)

    ticks = np.unique(np.linspace(0, n - 1, min(7, n)).astype(int)).tolist()
    doses = tuple((float(i), f"{tomogram.tilts.dose_e_per_a2[order[i]]:g}") for i in ticks)
    drawn = Chart(resolution_axis(highest), Axis("dose before the tilt, e/Å²", n - 0.5, -0.5, doses))
    drawn.colour_bar(colour_column(), weights.what, ("0", "1"))
    image = np.where(weights.used[order, None], weights.squared[order], np.nan)
    drawn.image(colour_map(image, 1.0), (0, highest, n - 0.5, -0.5))
    # a step for each row, from its upper to its lower edge
    rows = np.repeat(np.arange(n), 2) + np.tile([-0.5, 0.5], n)
    drawn.line(np.repeat(np.nan_to_num(ends), 2), np.where(np.isnan(np.repeat(ends, 2)), np.nan, rows), "out")

    alt = f"Map of {weights.what} over tilts in order of dose and frequency, for {tomogram.name}"
    cut = " The orange line is where the dose cutoff ends a tilt." if beyond.any() else ""
    caption = (
        f"Weight of each tilt, {tomogram.name}, at the tomogram's centre, along x. Rows are tilts in order of dose."
    )
    return chart("tilt-weights", alt, caption + cut, drawn)


def _sum_chart(weights: _Weights) -> Picture:
    """Draw the weights of all tilts added up."""
    name, frequency, used = weights.tomogram.name, weights.frequency, weights.used
    total, of_dose = weights.squared[used].sum(axis=0), (weights.dose[used] ** 2).sum(axis=0)

    drawn = Chart(resolution_axis(frequency[-1]), even_axis("sum over tilts", 0, 1.1 * max(float(used.sum()), 1.0)))
    drawn.area(frequency, total, "first")
    drawn.line(frequency, total, "first", weights.what)
    drawn.line(frequency, of_dose, "second", "dose weight² alone", dashed=True)

    alt = f"Curves of the weights of all tilts of {name} added up, over frequency"
    caption = f"Weights of all tilts of {name} added up, at its centre: where this is low, there is little signal."
    return chart("summed-weights", alt, caption, drawn)


def _defocus_chart(tomogram: TiltSeries) -> Picture:
    angle, tilts = tilt_angles_deg(tomogram), tomogram.tilts
    order = np.argsort(angle)
    u, v = tilts.defocus_u_angstrom[order] / 1e4, tilts.defocus_v_angstrom[order] / 1e4

    drawn = Chart(even_axis("tilt, °", *span([angle])), even_axis("underfocus, µm", *span([u, v], margin=0.1)))
    drawn.line(angle[order], u, "first", "U")
    drawn.dots(angle[order], u, "first", size=5)
    drawn.line(angle[order], v, "second", "V", dashed=True)
    drawn.dots(angle[order], v, "second", size=5)

    alt = f"Defocus of {tomogram.name} over the tilt, {min(u.min(), v.min()):.2f} to {max(u.max(), v.max()):.2f} µm"
    return chart("defocus", alt, f"Defocus along both axes of astigmatism, {tomogram.name}.", drawn)


def _typical(data: ReportData) -> TiltSeries | None:
    """Take the tomogram with the most particles."""
    if data.tomograms is None or not len(data.tomograms):
        return None
    return max(data.tomograms, key=lambda tomogram: data.counts[tomogram.name])


def _weights(tomogram: TiltSeries, binning: float) -> tuple[Float, Float, Float]:
    """Return frequencies (f,) along x in 1/Å, and dose weights and CTFs (n_tilts, f) there."""
    tilts, pixel_size = tomogram.tilts, binning * tomogram.pixel_size_angstrom
    size = 2 * _FREQUENCIES
    dose = dose_weights(tilts.dose_e_per_a2, tomogram.dose_b_factor_a2, size, pixel_size)[:, 0].astype(np.float64)
    frequency = np.arange(_FREQUENCIES + 1) / (size * pixel_size)
    fine = np.linspace(0, frequency[-1], _LINES)
    microscope = tomogram.microscope
    terms = ctf_terms(
        np.stack([tilts.defocus_u_angstrom, tilts.defocus_v_angstrom, tilts.astigmatism_deg], axis=1),
        tilts.phase_shift_deg,
        tilts.scale,
        tilts.b_factor_a2,
        (microscope.voltage_kv, microscope.spherical_aberration_mm, microscope.amplitude_contrast),
    )
    ctf = ctf_values(terms, fine[None, :], np.zeros((1, 1)))[:, 0]
    return fine, np.stack([np.interp(fine, frequency, row) for row in dose]), ctf
