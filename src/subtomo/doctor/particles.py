"""Checks on the particle set: tomograms, names, optics groups, offsets, trajectories, places used twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from subtomo.conventions import OPTICS_TOLERANCE
from subtomo.doctor.case import Case
from subtomo.doctor.findings import Finding, error, info, listed, warning
from subtomo.doctor.places import Placed
from subtomo.errors import InputError
from subtomo.io.relion import labels
from subtomo.io.relion.particles import given_names
from subtomo.model.particles import ParticleSet
from subtomo.model.tilt_series import TiltSeries
from subtomo.output.layout import check_name
from subtomo.words import nearest

SAME_PLACE_PX = 0.5
"""Particles nearer to each other than this are the same."""
MANY_IN_ONE_PLACE = 0.01
"""Pairs per particle beyond which this is a finding."""
_FARTHEST_PX = 1e9
"""Coordinates beyond this are no places."""


def check_particles(case: Case) -> Iterator[Finding]:
    """Look at everything about particles but their coordinates."""
    particles = case.particle_set
    if particles is None:
        return
    yield from _tomogram_names(case, particles)
    yield from _names(case, particles)
    for one in case.series:
        yield from _optics(one.tomogram, particles)
        yield from _trajectories(one.tomogram, particles)
    if particles.has_angles and not particles.angles_deg.any():
        yield info("angles", particles.source, "all refined angles are zero: particles have no orientations yet")


def _tomogram_names(case: Case, particles: ParticleSet) -> Iterator[Finding]:
    if case.tomograms is None or not case.tomograms.names:
        return
    counts = Counter(particles.tomogram_names.tolist())
    unknown = {name: count for name, count in counts.items() if name not in case.tomograms.names}
    bare = [name for name in case.tomograms.names if name not in counts]
    if unknown:
        total = sum(unknown.values())
        what = (
            f"{total} of {len(particles)} particles belong to tomograms that {case.tomograms.source} does not "
            f"list: {listed(unknown)} (it lists {listed(case.tomograms.names)})"
            f"{nearest(next(iter(unknown)), bare)}"
        )
        advice = f"they are left out; compare the names ({labels.TOMOGRAM_NAME}) in both files"
        kind = error if total == len(particles) else warning
        yield kind("tomogram names", particles.source, what, advice)
    if bare and len(unknown) < len(counts):
        yield info(
            "tomogram names", case.tomograms.source, f"{len(bare)} tomogram(s) have no particles: {listed(bare)}"
        )


def _names(case: Case, particles: ParticleSet) -> Iterator[Finding]:
    if case.particles is not None and not case.particles.has_names:
        yield info("names", particles.source, "particles have no names; they are numbered within their tomograms")
    refused = list[str]()
    raw = given_names(particles).tolist()
    for name in raw:
        try:
            check_name(name, "particle")
        except InputError as problem:
            refused.append(str(problem))
    if refused:
        yield error(
            "names", particles.source, f"{len(refused)} name(s) cannot be file names: {refused[0]}", "rename them"
        )
    # a file system that does not tell upper from lower case would take both for one
    folded = Counter(name.casefold() for name in set(raw))
    alike = [name for name, count in folded.items() if count > 1]
    if alike:
        yield warning(
            "names",
            particles.source,
            f"{len(alike)} name(s) differ in upper and lower case only: {listed(alike)}",
            "some file systems take them for one; rename them",
        )


def _optics(tomogram: TiltSeries, particles: ParticleSet) -> Iterator[Finding]:
    microscope = tomogram.microscope
    for index in np.unique(particles.optics_group[particles.in_tomogram(tomogram.name)]).tolist():
        group = particles.optics_groups[index]
        pairs = {
            labels.VOLTAGE: (group.voltage_kv, microscope.voltage_kv),
            labels.SPHERICAL_ABERRATION: (group.spherical_aberration_mm, microscope.spherical_aberration_mm),
            labels.AMPLITUDE_CONTRAST: (group.amplitude_contrast, microscope.amplitude_contrast),
            labels.PIXEL_SIZE: (group.pixel_size_angstrom, tomogram.pixel_size_angstrom),
        }
        for label, (of_group, of_tomogram) in pairs.items():
            if of_group is not None and abs(of_group - of_tomogram) > OPTICS_TOLERANCE:
                yield error(
                    "optics",
                    f"{particles.source}: optics group {index + 1} ({group.name})",
                    f"{label} is {of_group:g}, but {of_tomogram:g} in tomogram {tomogram.name}",
                    "correct one of the two; the pixel size is that of the unbinned tilt images",
                )


def _trajectories(tomogram: TiltSeries, particles: ParticleSet) -> Iterator[Finding]:
    if particles.trajectories is None:
        return
    members = particles.in_tomogram(tomogram.name)
    lengths = np.array([len(particles.trajectories[i]) for i in members], np.int64)
    wrong = members[lengths != tomogram.n_tilts]
    if wrong.size:
        yield error(
            "trajectories",
            f"tomogram {tomogram.name}",
            f"{wrong.size} trajectories have another length than the series has tilts: that of "
            f"{particles.names[wrong[0]]} has {len(particles.trajectories[wrong[0]])}, but there are "
            f"{tomogram.n_tilts} tilts",
            "track again with these tilts, or leave trajectories out (trajectories)",
            field="trajectories",
        )


def check_offsets(case: Case, placed: tuple[Placed, ...]) -> Iterator[Finding]:
    """Look at refined offsets, at motion, and for particles in one place."""
    same, far, moving = list[str](), list[str](), list[str]()
    settings = case.request.settings
    for one in placed:
        names = one.particles.names
        same += [f"{names[first]} and {names[second]}" for first, second in _together(one.plan.positions_px)]
        if settings is None:
            continue
        reach = settings.binning * settings.crop * one.tomogram.pixel_size_angstrom / 2.0
        offsets = np.linalg.norm(one.particles.origin_angstrom, axis=1)
        far += [str(name) for name in names[offsets > reach].tolist()]
        if one.particles.trajectories is not None:
            longest = np.array([np.linalg.norm(shift, axis=1).max() for shift in one.particles.trajectories])
            moving += [str(name) for name in names[longest > reach].tolist()]
    if same and case.particle_set is not None:
        # a few are left in many good sets; they do no harm
        kind = warning if len(same) > MANY_IN_ONE_PLACE * len(case.particle_set) else info
        yield kind(
            "same place",
            case.particle_set.source,
            f"{len(same)} pair(s) of particles are in one place: {listed(same, 3)}",
            "the same data count twice, perhaps in both half sets; remove duplicates",
        )
    if far:
        yield warning(
            "offsets",
            listed(far),
            f"{len(far)} refined offset(s) are larger than half the cropped box",
            f"{labels.ORIGIN} are ångströms; check units, or extract with a larger crop",
        )
    if moving:
        yield warning(
            "trajectories",
            listed(moving),
            f"{len(moving)} particle(s) move by more than half the cropped box",
            "trajectories are ångströms in the tomogram's frame; check units",
        )


def _together(positions_px: NDArray[np.float64]) -> list[tuple[int, int]]:
    """List each particle that is in the place of another, with that one; never more pairs than particles."""
    known = np.flatnonzero((np.abs(positions_px) < _FARTHEST_PX).all(axis=1))
    if known.size < 2:
        return []
    places = positions_px[known]
    # those in exactly one place first: however many they are, the tree then holds few in any half pixel
    order = np.lexsort(places.T)
    equal = np.concatenate([[False], (places[order][1:] == places[order][:-1]).all(axis=1)])
    first = order[np.maximum.accumulate(np.where(equal, 0, np.arange(len(order))))]
    pairs = list(zip(known[first[equal]].tolist(), known[order[equal]].tolist(), strict=True))
    single = order[~equal]
    near = cKDTree(places[single]).query_pairs(SAME_PLACE_PX, output_type="ndarray")
    pairs += [(int(one), int(other)) for one, other in known[single[near]]]
    return pairs
