"""Import picks of another program into an imported project, or any of RELION 5."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from subtomo.errors import InputError
from subtomo.foreign.import_record import ImportedFrom, ImportRecord, read_import_record
from subtomo.foreign.picks_source import picks_source
from subtomo.foreign.series_names import match_name
from subtomo.foreign.tilt_series_source import SourceOptions, tilt_series_source
from subtomo.io.project import Project, in_project
from subtomo.io.relion import OptimisationSet, read_tomograms, write_optimisation_set, write_trajectories
from subtomo.io.relion.picks_write import write_picks
from subtomo.jobs.import_place import Placing, binning_of, centred_angstrom, mirrored
from subtomo.jobs.import_residual import Float, motion_angstrom
from subtomo.jobs.inputs import protect_inputs
from subtomo.jobs.note import write_note
from subtomo.model.foreign_picks import ForeignPicks
from subtomo.model.optics import OpticsGroup
from subtomo.model.particles import ParticleSet
from subtomo.model.tilt_series import TiltSeries, TomogramSet
from subtomo.output.folders import prepare_folder
from subtomo.output.layout import output_folder
from subtomo.physics.orientation import matrix_to_euler
from subtomo.words import listed

_MANY_OUTSIDE = 0.05
_SLACK = 1.02
"""Positions up to here times half the tomogram's side from its centre are inside."""


@dataclass(frozen=True)
class ImportPicksJob:
    """Which picks to import into which tomograms."""

    picks_file: str
    tomograms_file: str
    output_dir: str
    placing: Placing = Placing()
    format_name: str | None = None
    """None to recognise it."""
    tomogram: str | None = None
    """Which all picks are in, for files that name none."""
    project: Project = None
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImportPicksSummary:
    """What was imported."""

    particles_file: str
    format_name: str
    n_particles: dict[str, int]
    """Tomogram to number of particles."""
    has_motion: bool
    """Whether trajectories were written."""
    notes: tuple[str, ...]


def import_picks(job: ImportPicksJob) -> ImportPicksSummary:
    """Place picks in the tomograms that they name, and write them as a particle set.

    Raises:
        InputError: The picks cannot be read, or where they are is unknown, ambiguous or impossible.
        SettingsError: The output folder cannot be used.
    """
    path = Path(in_project(job.picks_file, job.project))
    picks = picks_source(path, job.format_name).read(path)
    set_path = in_project(job.tomograms_file, job.project)
    tomograms = read_tomograms(set_path, project=job.project)
    record = read_import_record(os.path.dirname(set_path))
    notes = [*picks.notes]
    owners = _owners(picks, tomograms, job, notes)
    centred, rotations = _placed(picks, tomograms, record, owners, job.placing, notes)
    particles = _particles(picks, tomograms, owners, centred, rotations)
    motion = None if record is None else _motion(particles, tomograms, record)
    written = _write(job, particles, picks, tomograms, motion)
    names, counts = np.unique(owners, return_counts=True)
    return ImportPicksSummary(
        particles_file=written,
        format_name=picks.format_name,
        n_particles=dict(zip(names.tolist(), counts.tolist(), strict=True)),
        has_motion=motion is not None,
        notes=tuple(dict.fromkeys(notes)),
    )


def _owners(picks: ForeignPicks, tomograms: TomogramSet, job: ImportPicksJob, notes: list[str]) -> list[str]:
    """Find the tomogram of every pick."""
    known = [tomogram.name for tomogram in tomograms]
    if job.tomogram is not None:
        return [match_name(job.tomogram, known, "tomogram").name] * len(picks)
    named = picks.series_names.tolist()
    if not any(named):
        if len(known) == 1:
            notes.append(f"{picks.source}: names no tomogram, and there is only {known[0]}")
            return known * len(picks)
        try:
            found = match_name(picks.source, known, "tomogram")
        except InputError as error:
            raise InputError(
                f"{picks.source}: names no tomogram, and its own name decides nothing ({error}); name it (tomogram)",
                field="tomogram",
            ) from None
        notes.append(f"{picks.source}: names no tomogram; by its own name it is {found.name}")
        return [found.name] * len(picks)
    owners, problems = dict[str, str](), list[str]()
    for name in dict.fromkeys(named):
        try:
            match = match_name(name, known, "tomogram")
        except InputError as error:
            problems.append(str(error))
            continue
        owners[name] = match.name
        if match.decided_by:
            notes.append(f"{picks.source}: {name} is taken for {match.name}, by {match.decided_by}")
    if problems:
        raise InputError(
            f"{picks.source}: {problems[0]}" + (f" ({len(problems)} names are like this)" if problems[1:] else "")
        )
    _refuse_two_names(owners, picks.source)
    return [owners[name] for name in named]


def _refuse_two_names(owners: dict[str, str], source: str) -> None:
    """Refuse two names of a file that are taken for one tomogram."""
    for owner in dict.fromkeys(owners.values()):
        names = [name for name, found in owners.items() if found == owner]
        if len(names) > 1:
            raise InputError(f"{source}: {listed(names)} would all be tomogram {owner}; rename them, or the tomograms")


def _placed(
    picks: ForeignPicks,
    tomograms: TomogramSet,
    record: ImportRecord | None,
    owners: list[str],
    placing: Placing,
    notes: list[str],
) -> tuple[Float, Float | None]:
    """Compute positions (n, 3), Å from the centres of their tomograms, and rotations."""
    centred, names = np.empty((len(picks), 3)), np.array(owners)
    for name in dict.fromkeys(owners):
        series, members = tomograms[name], np.flatnonzero(names == name)
        source = None if record is None else record.of(name)
        offset = (0.0, 0.0, 0.0) if source is None else source.tomogram_offset_angstrom
        centred[members] = centred_angstrom(picks, members, series, placing, offset)
        notes += _scale_notes(picks, series, placing, offset)
        _check_inside(picks, series, centred[members], notes)
    rotations = picks.rotations
    if placing.flip_z and rotations is not None:
        rotations = mirrored(rotations)
        notes.append("the volume is mirrored, and so are the orientations: they fit the mirrored reference")
    return centred, rotations


def _scale_notes(
    picks: ForeignPicks, series: TiltSeries, placing: Placing, offset: tuple[float, float, float]
) -> Iterator[str]:
    """Say in which terms positions were taken."""
    unit = placing.unit or picks.unit
    if unit == "voxels":
        binning, why = binning_of(picks, series, placing)
        voxel = binning * series.pixel_size_angstrom
        yield f"positions are voxels of {voxel:.5g} Å, binning {binning:.7g}, {why}"
        first = picks.first_voxel if placing.first_voxel is None else placing.first_voxel
        if placing.first_voxel is None and not (picks.centred or placing.centred):
            other = f"counted from {1 - first:g}, all would be {voxel:.4g} Å off (first_voxel)"
            yield f"voxels are counted from {first:g}; {other}"
    else:
        yield f"positions are in {'Å' if unit == 'angstrom' else unit}"
    if any(offset) and not picks.centred:
        yield f"{series.name}: moved by {', '.join(f'{value:g}' for value in offset)} Å, as its reconstruction was"


def _check_inside(picks: ForeignPicks, series: TiltSeries, centred: Float, notes: list[str]) -> None:
    """Refuse positions that are all outside the tomogram, and warn of many."""
    half = np.array(series.size_px) * series.pixel_size_angstrom / 2.0 * _SLACK
    outside = (np.abs(centred) > half).any(axis=1)
    if outside.all():
        far = np.abs(centred / half).max()
        raise InputError(
            f"{picks.source}: all {len(centred)} positions in {series.name} are outside of it, up to {far:.3g} times "
            "its half side from its centre; check unit and binning (unit, binning, voxel_size_angstrom)",
            field=("unit", "binning", "voxel_size_angstrom"),
        )
    if outside.mean() > _MANY_OUTSIDE:
        notes.append(
            f"{int(outside.sum())} of {len(centred)} positions are outside of {series.name}; check unit, binning and "
            "thickness"
        )


def _particles(
    picks: ForeignPicks, tomograms: TomogramSet, owners: list[str], centred: Float, rotations: Float | None
) -> ParticleSet:
    angles = None if rotations is None else matrix_to_euler(rotations)
    particles = ParticleSet.at(owners, centred, pixel_size_angstrom=1.0, centred=True, angles_deg=angles)
    groups: dict[tuple[object, ...], int] = {}
    listed_groups, of_series = list[OpticsGroup](), dict[str, int]()
    for name in dict.fromkeys(owners):
        series = tomograms[name]
        key = (series.optics_group_name, series.microscope, series.pixel_size_angstrom)
        if key not in groups:
            groups[key] = len(groups)
            listed_groups.append(
                OpticsGroup(series.optics_group_name, series.pixel_size_angstrom, *vars(series.microscope).values())
            )
        of_series[name] = groups[key]
    particles = replace(
        particles,
        optics_groups=tuple(listed_groups),
        optics_group=np.array([of_series[name] for name in owners], np.int64),
        class_number=picks.class_number,
    )
    return particles if picks.half_set is None else particles.with_half_sets(picks.half_set)


def _motion(particles: ParticleSet, tomograms: TomogramSet, record: ImportRecord) -> list[Float] | None:
    """Compute the trajectories of particles in tomograms that need them; None if none does."""
    motion = [np.zeros((tomograms[name].n_tilts, 3)) for name in particles.tomogram_names.tolist()]
    moved = False
    for name in dict.fromkeys(particles.tomogram_names.tolist()):
        source = record.of(name)
        if source is None or not source.needs_motion:
            continue
        members = particles.in_tomogram(name)
        shifts = _of_series(record, source, tomograms[name], particles.coordinates[members])
        for particle, shift in zip(members.tolist(), shifts, strict=True):
            motion[particle] = shift
        moved = True
    return motion if moved else None


def _of_series(record: ImportRecord, source: ImportedFrom, series: TiltSeries, points: Float) -> Float:
    path = record.source_of(source)
    if not path.exists():
        raise InputError(
            f"{path}: is gone, but particles in {series.name} need it for their trajectories; put it back, or import "
            "the tilt series again"
        )
    read = tilt_series_source(record.format_name).read(path, SourceOptions(frozenset(source.exclude_views)))
    if len(read) != series.n_tilts:
        raise InputError(
            f"{path}: has {len(read)} views, but {series.name} {series.n_tilts} tilts; import the tilt series again"
        )
    return motion_angstrom(read, series, points, source.aligned_pixel_size_angstrom)


def _write(
    job: ImportPicksJob,
    particles: ParticleSet,
    picks: ForeignPicks,
    tomograms: TomogramSet,
    motion: list[Float] | None,
) -> str:
    folder = output_folder(job.output_dir)
    place = in_project(folder, job.project)
    path, trajectories = f"{folder}particles.star", f"{folder}motion.star"
    outputs = [f"{place}particles.star", f"{place}optimisation_set.star", f"{place}motion.star"]
    protect_inputs([picks.source, in_project(job.tomograms_file, job.project)], outputs)
    prepare_folder(place)
    write_note(place, job.command)
    write_picks(outputs[0], particles, tomograms, picks.score)
    if motion is not None:
        write_trajectories(outputs[2], particles.names.tolist(), motion)
    files = OptimisationSet(path, job.tomograms_file, trajectories if motion is not None else None)
    write_optimisation_set(outputs[1], files)
    return path
