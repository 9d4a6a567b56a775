"""Write resolution curves in the tables of relion_postprocess."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from subtomo.doing import doing_to_file
from subtomo.io.star import format_floats, format_ints, write_tables
from subtomo.model.resolution import GuinierCurves, ResolutionCurves
from subtomo.model.table import Table, TextArray, text_array

Float = NDArray[np.float64]

_NO_RESOLUTION = 999.0
"""What RELION writes for the resolution of the origin."""
_THRESHOLD = 0.143
_TEXTS = ("rlnUnfilteredMapHalf1", "rlnUnfilteredMapHalf2", "rlnMaskName", "rlnSymmetryGroup")


@dataclass(frozen=True)
class MapFiles:
    """The files that curves belong to."""

    half1: str
    half2: str
    mask: str
    symmetry: str


@doing_to_file("writing")
def write_fsc(path: str | Path, curves: ResolutionCurves, guinier: GuinierCurves, files: MapFiles) -> None:
    """Write data_general, data_fsc and data_guinier; the folder must exist.

    The curve of the maps with random phases stands under the label that relion_postprocess uses for it,
    rlnCorrectedFourierShellCorrelationPhaseRandomizedMaskedMaps.
    """
    tables = [_general(curves, guinier, files), _fsc(curves), _guinier(guinier)]
    numbers = {label for table in tables for label in table.labels} - set(_TEXTS)
    write_tables(path, tables, number_labels=numbers)


def _general(curves: ResolutionCurves, guinier: GuinierCurves, files: MapFiles) -> Table:
    columns = {
        "rlnFinalResolution": _number(_finite(curves.resolution_angstrom(_THRESHOLD))),
        "rlnUnfilteredMapHalf1": text_array([files.half1]),
        "rlnUnfilteredMapHalf2": text_array([files.half2]),
        "rlnMaskName": text_array([files.mask]),
        "rlnSymmetryGroup": text_array([files.symmetry]),
        "rlnPixelSize": _number(curves.pixel_size_angstrom),
    }
    if curves.randomised_from < len(curves.frequency):
        columns["rlnRandomiseFrom"] = _number(1.0 / float(curves.frequency[curves.randomised_from]))
    if guinier.slope_a2 is not None and guinier.intercept is not None and guinier.correlation is not None:
        columns["rlnFittedSlopeGuinierPlot"] = _number(guinier.slope_a2)
        columns["rlnFittedInterceptGuinierPlot"] = _number(guinier.intercept)
        columns["rlnCorrelationFitGuinierPlot"] = _number(guinier.correlation)
    return Table("general", columns, is_list=True)


def _fsc(curves: ResolutionCurves) -> Table:
    resolution = np.divide(
        1.0, curves.frequency, out=np.full(curves.frequency.shape, _NO_RESOLUTION), where=curves.frequency > 0
    )
    columns: dict[str, ArrayLike] = {
        "rlnResolution": curves.frequency,
        "rlnAngstromResolution": resolution,
        "rlnFourierShellCorrelationCorrected": curves.corrected,
        "rlnFourierShellCorrelationUnmaskedMaps": curves.unmasked,
        "rlnFourierShellCorrelationMaskedMaps": curves.masked,
        "rlnCorrectedFourierShellCorrelationPhaseRandomizedMaskedMaps": curves.randomised,
    }
    texts = {label: format_floats(values) for label, values in columns.items()}
    return Table("fsc", {"rlnSpectralIndex": format_ints(np.arange(len(resolution))), **texts})


def _guinier(guinier: GuinierCurves) -> Table:
    columns = {
        "rlnResolutionSquared": guinier.frequency_squared,
        "rlnLogAmplitudesOriginal": guinier.original,
        "rlnLogAmplitudesWeighted": guinier.weighted,
    }
    if guinier.slope_a2 is not None and guinier.intercept is not None:
        columns["rlnLogAmplitudesIntercept"] = np.full(guinier.original.shape, guinier.intercept)
    return Table("guinier", {label: format_floats(values) for label, values in columns.items()})


def _number(value: float) -> TextArray:
    return format_floats([value])


def _finite(value: float) -> float:
    return value if math.isfinite(value) else _NO_RESOLUTION
