"""Write the particle set of an extraction (spec/conventions.md §9)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from subtomo.doing import doing_to_file
from subtomo.io.relion.particles import ANGLES, CENTRED, DECENTRED, ORIGIN, SUBTOMOGRAM_ANGLES
from subtomo.io.relion.tables import tables_of, with_triple
from subtomo.io.star import format_floats, format_int_vectors, format_ints, write_tables
from subtomo.model.plan import ExtractionPlan, SeriesPlan
from subtomo.model.settings import Output
from subtomo.model.table import Table, TextArray, text_array
from subtomo.physics.orientation import matrix_to_euler

Float = NDArray[np.float64]
_PerTomogram = Callable[[SeriesPlan, ExtractionPlan], Float]

_FLAG = "rlnTomoSubTomosAre2DStacks"
_NUMBERS = (
    _FLAG,
    "rlnCtfDataAreCtfCorrected",
    "rlnCtfDataAreCtfPremultiplied",
    "rlnImageDimensionality",
    "rlnTomoSubtomogramBinning",
    "rlnImagePixelSize",
    "rlnImageSize",
    *ANGLES,
    *CENTRED,
    *ORIGIN,
    *SUBTOMOGRAM_ANGLES,
)


@dataclass(frozen=True)
class ParticleFiles:
    """The image files of the extracted particles, in the order of extraction, and what they hold."""

    images: Sequence[str] | TextArray
    ctf_images: Sequence[str] | TextArray | None
    """None if the particles have none."""
    image_size: int
    """Side of the images, pixels."""
    binning: float
    """Of the images against the tilt images."""


@doing_to_file("writing")
def write_particles(
    path: str | Path, plan: ExtractionPlan, files: ParticleFiles, *, keeps_coordinates: bool = True
) -> None:
    """Write general, optics and particle tables; every value that extraction does not change stays as it was.

    Args:
        path: The file; its folder must exist.
        plan: What was extracted.
        files: Where it is.
        keeps_coordinates: Write centred coordinates also where offsets are not applied to coordinates in pixels; RELION
            then writes none (quirk 16).
    """
    particles = _particles(plan, files)
    if keeps_coordinates and loses_coordinates(plan):
        particles = with_triple(particles, CENTRED, _stack(plan, _centred_angstrom))
    tables = [_general(plan), _optics(plan, files), particles]
    write_tables(path, tables, number_labels=_NUMBERS)


def loses_coordinates(plan: ExtractionPlan) -> bool:
    """Tell whether RELION would write no coordinates: they are in pixels, and offsets are not applied (quirk 16)."""
    return not plan.settings.moves_coordinates and not plan.particles.centred


def _general(plan: ExtractionPlan) -> Table:
    old = plan.particles.general_table
    general = old if old is not None and len(old) else Table("general", {}, is_list=True)
    return general.with_column(_FLAG, format_ints([int(plan.settings.output is Output.STACK_2D)]))


def _optics(plan: ExtractionPlan, files: ParticleFiles) -> Table:
    settings = plan.settings
    table = tables_of(plan.particles, (entry.series for entry in plan.series)).optics
    n = len(table)
    pixel_sizes = np.array([group.pixel_size_angstrom for group in plan.particles.optics_groups])
    if settings.output is Output.PROJECTIONS:
        table = table.with_column("rlnCtfDataAreCtfCorrected", format_ints([1] * n))
    # 3-D data count as premultiplied whatever was done to them (quirk 4), unless they are whitened: then the root of
    # CTF² is to them what the CTF is to an image
    premultiplied = {
        Output.PSEUDO_SUBTOMOGRAM: not settings.is_whitened,
        Output.STACK_2D: settings.apply_ctf,
        Output.PROJECTIONS: False,
    }[settings.output]
    dimensions = 3 if settings.output is Output.PSEUDO_SUBTOMOGRAM else 2
    return (
        table.with_column("rlnCtfDataAreCtfPremultiplied", format_ints([int(premultiplied)] * n))
        .with_column("rlnImageDimensionality", format_ints([dimensions] * n))
        .with_column("rlnTomoSubtomogramBinning", format_floats(np.full(n, files.binning)))
        .with_column("rlnImagePixelSize", format_floats(files.binning * pixel_sizes))
        .with_column("rlnImageSize", format_ints([files.image_size] * n))
    )


def _particles(plan: ExtractionPlan, files: ParticleFiles) -> Table:
    settings = plan.settings
    table = tables_of(plan.particles).particles.take(plan.indices)
    if settings.output is Output.STACK_2D:
        table = table.with_column("rlnTomoVisibleFrames", _visible_tilts(plan))
    table = table.with_column("rlnImageName", text_array(files.images))
    if files.ctf_images is None:
        table = table.without("rlnCtfImage")
    else:
        table = table.with_column("rlnCtfImage", text_array(files.ctf_images))
    if settings.moves_coordinates:
        table = with_triple(table, ORIGIN, np.zeros((len(table), 3)))
    # pixel coordinates of a file are lost if offsets are not applied (quirk 16); those of arrays are not
    if settings.moves_coordinates or (plan.particles.table is None and not plan.particles.centred):
        table = with_triple(table, CENTRED, _stack(plan, _centred_angstrom))
    if settings.apply_orientations:
        angles = _stack(plan, lambda tomogram, _: matrix_to_euler(tomogram.orientations))
        table = with_triple(table, SUBTOMOGRAM_ANGLES, angles)
        table = with_triple(table, ANGLES, np.zeros((len(table), 3)))
    return table.without(*DECENTRED)


def _centred_angstrom(tomogram_plan: SeriesPlan, plan: ExtractionPlan) -> Float:
    pixel_size = plan.particles.pixel_size_angstrom[tomogram_plan.particles, None]
    centred: Float = (tomogram_plan.positions_px - tomogram_plan.series.centre_px) * pixel_size
    return centred


def _stack(plan: ExtractionPlan, values: _PerTomogram) -> Float:
    return np.concatenate([np.zeros((0, 3)), *(values(tomogram, plan) for tomogram in plan.series)])


def _visible_tilts(plan: ExtractionPlan) -> TextArray:
    texts = [format_int_vectors(tomogram.visible.astype(np.int64)) for tomogram in plan.series if len(tomogram)]
    return text_array(np.concatenate(texts) if texts else [])
