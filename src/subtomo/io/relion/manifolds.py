"""Read manifold files and write the particles that were sampled from them (spec/conventions.md §11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from subtomo.conventions import OPTICS_TOLERANCE
from subtomo.doing import doing_to_file
from subtomo.errors import InputError
from subtomo.io.relion.particles import ANGLES, CENTRED, DECENTRED, ORIGIN, SUBTOMOGRAM_ANGLES
from subtomo.io.relion.tomograms import optics_values
from subtomo.io.star import find_table, format_floats, format_ints, read_tables, write_tables
from subtomo.model.manifold import Manifold, ManifoldSample, ManifoldSet, Sphere, Spheroid, Surface
from subtomo.model.table import Table, TextArray, text_array
from subtomo.model.tilt_series import TiltSeries, TomogramSet

Float = NDArray[np.float64]

_COLUMNS = ("rlnTomoManifoldIndex", "rlnTomoManifoldType", "rlnTomoManifoldParams")
_ORIGIN_PRIOR = ("rlnOriginXPriorAngst", "rlnOriginYPriorAngst", "rlnOriginZPriorAngst")
_OPTICS = ("rlnSphericalAberration", "rlnVoltage", "rlnAmplitudeContrast", "rlnTomoTiltSeriesPixelSize")
_OPTICS_OF_RELION = ("rlnSphericalAberration", "rlnVoltage", "rlnTomoTiltSeriesPixelSize")
_COUNTS = ("rlnTomoManifoldIndex", "rlnGroupNumber", "rlnClassNumber", "rlnOpticsGroup", "rlnRandomSubset")
_PRIOR = "rlnAngleTiltPrior"
_NUMBERS = (*_OPTICS, *_COUNTS, *CENTRED, *DECENTRED, *SUBTOMOGRAM_ANGLES, *ANGLES, *ORIGIN, *_ORIGIN_PRIOR, _PRIOR)


@dataclass(frozen=True)
class SampledParticlesForm:
    """How sampled particles are written."""

    centred: bool = False
    """Ångströms from the tomogram's centre and a full optics table, instead of RELION's pixels and partial one."""
    tilt_series_name: bool = False
    """Name the file of the tilt series with each particle."""


@doing_to_file("reading")
def read_manifolds(path: str | Path, tomograms: TomogramSet) -> ManifoldSet:
    """Read the manifolds of all tomograms of a set; those of other tomograms are ignored.

    Where a tomogram has an index twice, the last row counts, as in RELION.

    Raises:
        InputError: The file, a column or a parameter is missing or makes no sense.
    """
    tables = read_tables(path)
    found = {tomogram.name: find_table(tables, tomogram.name) for tomogram in tomograms if tomogram.name}
    return ManifoldSet(
        {name: _manifolds(table) for name, table in found.items() if table is not None and table.labels},
        source=str(path),
        unused=tuple(table.name for table in tables if table.name not in tomograms),
    )


def write_sampled_particles(
    path: str | Path,
    tomograms: TomogramSet,
    samples: Sequence[Sequence[ManifoldSample]],
    form: SampledParticlesForm,
) -> None:
    """Write the optics and particle tables of a sampling.

    Args:
        path: The file; its folder must exist.
        tomograms: All tomograms of the project.
        samples: Per tomogram the samples of its manifolds.
        form: How to write them.

    Raises:
        InputError: Centred coordinates are asked for and a tomogram has no size, or tomograms of one optics group
            differ in their optics.
    """
    counts = [sum(map(len, of_tomogram)) for of_tomogram in samples]
    optics, groups = _optics(tomograms, counts) if form.centred else _optics_of_relion(tomograms)
    columns: dict[str, list[TextArray]] = {}
    first = 0
    for index, (tomogram, of_tomogram) in enumerate(zip(tomograms, samples, strict=True)):
        for sample in of_tomogram:
            # RELION counts tomograms from 0 here, and from 1 in the particle files of its other programs
            group_number = index + 1 if form.centred else index
            texts = _particle_columns(tomogram, sample, form, first, (group_number, groups[index]))
            for label, column in texts.items():
                columns.setdefault(label, []).append(column)
            first += len(sample)
    particles = Table("particles", {label: np.concatenate(parts) for label, parts in columns.items()})
    write_tables(path, [optics, particles], number_labels=_NUMBERS)


def _manifolds(table: Table) -> tuple[Manifold, ...]:
    indices, kinds, parameters = table.ints(_COLUMNS[0]), table.text(_COLUMNS[1]), table.vectors(_COLUMNS[2])
    by_index: dict[int, Manifold] = {}
    for row, (index, kind, values) in enumerate(zip(indices.tolist(), kinds.tolist(), parameters, strict=True)):
        source = f"{table.source}: table data_{table.name}, row {row + 1}"
        by_index[index] = Manifold(index, _surface(kind, values, source), source)
    return tuple(by_index[index] for index in sorted(by_index))


def _surface(kind: str, parameters: Float, source: str) -> Surface:
    expected = {
        "sphere": "the centre x, y, z and a radius",
        "spheroid": "the centre x, y, z and at least one coefficient",
    }
    if kind not in expected:
        raise InputError(f"{source}: unknown manifold type {kind!r} (rlnTomoManifoldType), expected sphere or spheroid")
    if len(parameters) < 4 or (kind == "sphere" and len(parameters) > 4):
        raise InputError(
            f"{source}: rlnTomoManifoldParams of a {kind} has {len(parameters)} value(s), expected {expected[kind]}; "
            "write them as [x,y,z,...] in pixels of the tilt images"
        )
    if not parameters[3] > 0:
        role = "radius" if kind == "sphere" else "first coefficient, which gives the mean radius,"
        raise InputError(
            f"{source}: the {role} of this {kind} is {parameters[3]:g} (rlnTomoManifoldParams, value 4), "
            "but must be above zero; correct it or remove the row"
        )
    if kind == "sphere":
        return Sphere(parameters[:3], float(parameters[3]))
    return Spheroid(parameters[:3], parameters[3:])


def _optics_of_relion(tomograms: TomogramSet) -> tuple[Table, list[int]]:
    """Make one group for all, with the first tomogram's values and without amplitude contrast (quirk 12)."""
    values = optics_values(tomograms[0])
    columns = {"rlnOpticsGroup": format_ints([1]), "rlnOpticsGroupName": text_array(["optics_group_1"])}
    numbers = {label: format_floats([values[label]]) for label in _OPTICS_OF_RELION}
    return Table("optics", {**columns, **numbers}), [1] * len(tomograms)


def _optics(tomograms: TomogramSet, counts: Sequence[int]) -> tuple[Table, list[int]]:
    """Make one group per name among the tomograms that have particles, and number each tomogram's group from 1.

    Tomograms without particles get group 0, unless none has any: then all groups are listed.
    """
    models: dict[str, TiltSeries] = {}
    groups = []
    for tomogram, count in zip(tomograms, counts, strict=True):
        if not count and any(counts):
            groups.append(0)
            continue
        model = models.setdefault(tomogram.optics_group_name, tomogram)
        _check_same_optics(tomogram, model)
        groups.append(list(models).index(tomogram.optics_group_name) + 1)
    values = [optics_values(model) for model in models.values()]
    columns = {
        "rlnOpticsGroup": format_ints(list(range(1, len(models) + 1))),
        "rlnOpticsGroupName": text_array(list(models)),
    }
    numbers = {label: format_floats([value[label] for value in values]) for label in _OPTICS}
    return Table("optics", {**columns, **numbers}), groups


def _check_same_optics(tomogram: TiltSeries, model: TiltSeries) -> None:
    theirs = optics_values(model)
    for label, value in optics_values(tomogram).items():
        if abs(value - theirs[label]) > OPTICS_TOLERANCE:
            raise InputError(
                f"{tomogram.source}: {label} of tomogram {tomogram.name} is {value:g}, but {theirs[label]:g} in "
                f"{model.name}, and both belong to optics group {model.optics_group_name!r}; give them different "
                "rlnOpticsGroupName in the tomogram set"
            )


def _particle_columns(
    tomogram: TiltSeries, sample: ManifoldSample, form: SampledParticlesForm, first: int, groups: tuple[int, int]
) -> dict[str, TextArray]:
    """Format one sample, in RELION's order of columns; `groups` are group number and optics group."""
    n = len(sample)
    zero = format_floats(np.zeros(n))
    columns = {
        "rlnTomoParticleName": text_array([f"{tomogram.name}/{first + i}" for i in range(n)]),
        "rlnTomoName": text_array([tomogram.name] * n),
        "rlnTomoManifoldIndex": format_ints([sample.manifold.index] * n),
    }
    if form.tilt_series_name:
        columns["rlnTomoTiltSeriesName"] = text_array([tomogram.tilt_series_name] * n)
    if form.centred:
        centred = (sample.positions_px - _known_centre(tomogram)) * tomogram.pixel_size_angstrom
        columns |= _triple(CENTRED, centred)
    else:
        columns |= _triple(DECENTRED, sample.positions_px)
    columns |= _triple(SUBTOMOGRAM_ANGLES, sample.angles_deg)
    columns |= dict.fromkeys((_PRIOR, *ORIGIN, *_ORIGIN_PRIOR, *ANGLES), zero)
    counts = dict(zip(("rlnGroupNumber", "rlnClassNumber", "rlnOpticsGroup"), (groups[0], 1, groups[1]), strict=True))
    columns |= {label: format_ints([count] * n) for label, count in counts.items()}
    return columns | {"rlnRandomSubset": format_ints(np.arange(first, first + n) % 2 + 1)}


def _triple(labels: Sequence[str], values: Float) -> dict[str, TextArray]:
    return {label: format_floats(values[:, axis]) for axis, label in enumerate(labels)}


def _known_centre(tomogram: TiltSeries) -> Float:
    if min(tomogram.size_px) <= 0:
        raise InputError(
            f"{tomogram.source}: the size of tomogram {tomogram.name} is unknown, so it has no centre to count from; "
            "add rlnTomoSizeX, rlnTomoSizeY and rlnTomoSizeZ to the tomogram set, or write uncentred coordinates"
        )
    return tomogram.centre_px
