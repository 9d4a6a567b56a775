"""Particles from arrays: no file, no table, and yet files that RELION reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from subtomo import ExtractionSettings, InputError, ParticleSet, PseudoSubtomograms, extract, read_particles
from subtomo.jobs.extract import store_particles
from tests.helpers.builders import PIXEL_SIZE, SETTINGS, tomogram, tomogram_set

PLACES = np.array([[50.5, 44.0, 45.25], [52.0, 46.0, 44.0], [53.0, 45.0, 46.0]])
ANGLES = np.array([[10.0, 20.0, 30.0], [0.0, 90.0, 5.0], [-40.0, 60.0, 0.0]])


def particles(**more: object) -> ParticleSet:
    return ParticleSet.at("TS_1", PLACES, pixel_size_angstrom=PIXEL_SIZE, angles_deg=ANGLES, **more)  # type: ignore[arg-type]


def test_what_is_extracted_is_a_particle_set_that_is_read_again(tmp_path: Path) -> None:
    tomograms = tomogram_set(tomogram())
    summary = extract(tomograms, particles(), SETTINGS, str(tmp_path / "out"))
    again = read_particles(summary.star_file)
    assert again.names.tolist() == ["TS_1/1", "TS_1/2", "TS_1/3"]
    assert again.centred
    np.testing.assert_allclose(again.coordinates, (PLACES - tomograms[0].centre_px) * PIXEL_SIZE, atol=1e-5)
    np.testing.assert_allclose(again.angles_deg, ANGLES, atol=1e-5)
    first, second = (PseudoSubtomograms(tomograms, some, SETTINGS)[1] for some in (particles(), again))
    np.testing.assert_allclose(first.data, second.data, atol=1e-5 * np.abs(first.data).max())  # type: ignore[union-attr]


def test_they_go_into_a_store_too(tmp_path: Path) -> None:
    store_particles(tomogram_set(tomogram()), particles(), SETTINGS, str(tmp_path))
    stored = PseudoSubtomograms.open(tmp_path / "particles.zarr")
    assert stored.table().text("rlnTomoParticleName").tolist() == ["TS_1/1", "TS_1/2", "TS_1/3"]


def test_positions_may_be_angstroms_from_the_centre() -> None:
    tomograms = tomogram_set(tomogram())
    centred = ParticleSet.at(
        ["TS_1"] * 3, (PLACES - tomograms[0].centre_px) * PIXEL_SIZE, pixel_size_angstrom=PIXEL_SIZE, centred=True
    )
    settings = ExtractionSettings(24, 16)
    plans = [PseudoSubtomograms(tomograms, some, settings).plan.series[0] for some in (particles(), centred)]
    np.testing.assert_allclose(plans[0].positions_px, plans[1].positions_px, atol=1e-9)


def test_numbers_that_do_not_agree_are_named() -> None:
    with pytest.raises(InputError, match="3 positions, 3 tilt_series, 3 angles_deg, 2 names"):
        particles(names=["a", "b"])


def test_tilts_are_taken_with_all_that_belongs_to_them() -> None:
    tilts = tomogram().tilts
    some = tilts.take(np.array([3, 1]))
    np.testing.assert_array_equal(some.projection, tilts.projection[[3, 1]])
    np.testing.assert_array_equal(some.dose_e_per_a2, tilts.dose_e_per_a2[[3, 1]])
