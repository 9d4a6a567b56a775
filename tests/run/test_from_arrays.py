"""Particle sets made from arrays: no STAR file comes first, and a valid one is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from subtomo import ExtractionSettings, InputError, ParticleSet, PseudoSubtomogram, PseudoSubtomograms, extract
from subtomo.io.relion import read_particles
from subtomo.io.relion.tables import tables_of
from subtomo.io.relion.volumes import read_half_sets, require_orientations
from subtomo.io.star import find_table, read_tables
from subtomo.jobs.extract import store_particles
from subtomo.model.optics import OpticsGroup
from subtomo.model.tilt_series import TomogramSet
from tests.helpers.builders import PIXEL_SIZE, SETTINGS, TOMOGRAM_SIZE, tomogram, tomogram_set

CENTRE = np.array(TOMOGRAM_SIZE) / 2
POSITIONS = CENTRE + np.random.default_rng(1).uniform(-9, 9, (4, 3))
ANGLES = np.random.default_rng(2).uniform(-170, 170, (4, 3))
HALVES = [1, 2, 0, 1]


def some(**changes: Any) -> ParticleSet:
    return ParticleSet.at("TS_1", POSITIONS, pixel_size_angstrom=PIXEL_SIZE, **changes)


def volumes(tomograms: TomogramSet, particles: ParticleSet, settings: ExtractionSettings) -> NDArray[Any]:
    made = [one for one in PseudoSubtomograms(tomograms, particles, settings) if isinstance(one, PseudoSubtomogram)]
    return np.array([one.data for one in made])


def test_particles_from_arrays_are_extracted_and_their_file_reads_back(tmp_path: Path) -> None:
    particles = some(angles_deg=ANGLES).with_half_sets(HALVES)
    summary = extract(tomogram_set(), particles, SETTINGS, str(tmp_path / "out"))
    assert (summary.n_extracted, summary.inputs.particles) == (4, None)
    back = read_particles(summary.star_file)
    assert back.names.tolist() == ["TS_1/1", "TS_1/2", "TS_1/3", "TS_1/4"]
    assert back.centred
    assert np.allclose(back.coordinates, (POSITIONS - CENTRE) * PIXEL_SIZE, atol=1e-5)
    assert np.allclose(back.angles_deg, ANGLES, atol=1e-5)
    assert read_half_sets(back).tolist() == read_half_sets(particles).tolist() == HALVES
    assert require_orientations(back)
    assert not back.has_subtomogram_angles
    again = volumes(tomogram_set(), back, SETTINGS)
    assert np.allclose(again, volumes(tomogram_set(), particles, SETTINGS), atol=1e-4)


def test_the_optics_of_the_tilt_series_are_written(tmp_path: Path) -> None:
    series = tomogram(optics_group_name="krios")
    summary = extract(tomogram_set(series), some(), SETTINGS, str(tmp_path))
    optics = find_table(read_tables(summary.star_file), "optics")
    assert optics is not None
    assert optics.text("rlnOpticsGroupName").tolist() == ["krios"]
    found = [optics.floats(f"rln{label}")[0] for label in ("Voltage", "SphericalAberration", "AmplitudeContrast")]
    assert found == [300.0, 2.7, 0.07]
    assert optics.floats("rlnTomoTiltSeriesPixelSize")[0] == PIXEL_SIZE
    (group,) = read_particles(summary.star_file).optics_groups
    assert (group.name, group.voltage_kv) == ("krios", 300.0)


def test_optics_that_are_given_are_written_with_their_aberrations() -> None:
    odd = np.array([0.0, 1.25, -3.5e-7])
    groups = (OpticsGroup("a", PIXEL_SIZE, 200.0, 0.01, 0.1, odd_zernike=odd), OpticsGroup("b", 2.0, 300.0, 2.7, 0.07))
    particles = replace(some(), optics_groups=groups, optics_group=np.array([0, 1, 1, 0]))
    table, optics, general = tables_of(particles)
    assert table.ints("rlnOpticsGroup").tolist() == [1, 2, 2, 1]
    assert [vector.tolist() for vector in optics.vectors("rlnOddZernike")] == [odd.tolist(), []]
    assert optics.floats("rlnVoltage").tolist() == [200.0, 300.0]
    assert "rlnEvenZernike" not in optics
    assert general is None


def test_places_are_the_same_from_the_corner_and_from_the_centre() -> None:
    centred = ParticleSet.at("TS_1", (POSITIONS - CENTRE) * PIXEL_SIZE, pixel_size_angstrom=PIXEL_SIZE, centred=True)
    plans = [PseudoSubtomograms(tomogram_set(), one, SETTINGS).plan for one in (some(), centred)]
    assert np.allclose(plans[0].series[0].image_positions_px, plans[1].series[0].image_positions_px)


def test_pixel_coordinates_of_arrays_are_not_lost_if_offsets_are_not_applied(tmp_path: Path) -> None:
    summary = extract(tomogram_set(), some(), replace(SETTINGS, apply_offsets=False), str(tmp_path))
    assert np.allclose(read_particles(summary.star_file).coordinates, (POSITIONS - CENTRE) * PIXEL_SIZE, atol=1e-5)


def test_names_are_numbered_within_each_tilt_series_or_given() -> None:
    made = ParticleSet.at(["B", "A", "B"], np.zeros((3, 3)), pixel_size_angstrom=1.0)
    assert made.names.tolist() == ["B/1", "A/1", "B/2"]
    assert some(names=["a", "b", "c", "d"]).names.tolist() == ["a", "b", "c", "d"]


def test_a_store_holds_particles_from_arrays(tmp_path: Path) -> None:
    store_particles(tomogram_set(), some().with_half_sets(HALVES), SETTINGS, str(tmp_path))
    stored = PseudoSubtomograms.open(str(tmp_path / "particles.zarr"))
    assert stored.table().ints("rlnRandomSubset").tolist() == HALVES


def test_particles_without_orientations_say_so() -> None:
    with pytest.raises(InputError, match="particles from arrays: table data_particles has neither rlnAngleRot"):
        require_orientations(some())
    assert read_half_sets(some()).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"angles_deg": np.zeros((3, 3))}, "found 4 positions, 4 tilt_series, 3 angles_deg; give one of each"),
        ({"angles_deg": np.zeros((4, 2))}, r"angles_deg have the shape \(4, 2\), but must be \(n, 3\)"),
        ({"angles_deg": [["x", 0, 0]] * 4}, "angles_deg are no numbers"),
        ({"angles_deg": np.full((4, 3), np.nan)}, "angles_deg of particle 1 are nan, nan, nan, but must be finite"),
        ({"names": ["a"]}, "4 angles_deg, 1 names"),
        ({"names": ["a", "b", "a", "c"]}, "particles from arrays: 2 particles are called 'a'"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        some(**changes)


@pytest.mark.parametrize("halves", [[1, 2, 3, 1], [1], [0.5, 1, 2, 1], "1211"])
def test_half_sets_are_one_and_two(halves: Any) -> None:
    with pytest.raises(InputError, match="give each of 4 particles 1 or 2, or 0 for neither"):
        some().with_half_sets(halves)


def test_other_half_sets_are_written_in_the_place_of_those_of_the_file(tmp_path: Path) -> None:
    first = extract(tomogram_set(), some().with_half_sets(HALVES), SETTINGS, str(tmp_path / "first"))
    particles = read_particles(first.star_file).with_half_sets([2, 2, 1, 1])
    second = extract(tomogram_set(), particles, SETTINGS, str(tmp_path / "second"))
    assert read_half_sets(read_particles(second.star_file)).tolist() == [2, 2, 1, 1]


@pytest.mark.parametrize(("positions", "size"), [(np.zeros(4), 1.0), (np.zeros((2, 2)), 1.0), (np.zeros((2, 3)), 0.0)])
def test_places_and_pixel_sizes_that_make_no_sense_are_refused(positions: NDArray[Any], size: float) -> None:
    with pytest.raises(InputError, match=r"positions have the shape|pixel size .* is 0"):
        ParticleSet.at("TS_1", positions, pixel_size_angstrom=size)
