"""Rows are taken in one place: whatever has one value per particle or tilt is taken, and nothing else changes."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from subtomo.extraction.plan import plan_extraction
from subtomo.io.relion.tables import tables_of
from subtomo.model.tilt_series import Deformation
from tests.helpers.builders import SETTINGS, particle_set, tilt_series, tomogram, tomogram_set

N = 7
PICKED = np.array([5, 0, 3])


def nouns() -> dict[str, Any]:
    deformation = Deformation("linear", (1, 1), tuple(np.full(6, float(i)) for i in range(N)))
    tilts = tilt_series(N, nominal_tilt_deg=np.linspace(-45, 45, N), deformation=deformation)
    particles = particle_set(
        ["TS_1"] * N,
        half_set=np.arange(N) % 2 + 1,
        class_number=np.arange(N) + 1,
        trajectories=[np.full((5, 3), float(i)) for i in range(N)],
    )
    particles = replace(particles, table=tables_of(particles).particles)
    plan = plan_extraction(tomogram_set(), replace(particles, trajectories=None), SETTINGS).series[0]
    assert len(plan) == N
    return {"particles": particles, "tilts": tilts, "plan": plan, "deformation": deformation}


def text(value: Any) -> str:
    return repr({label: column.tolist() for label, column in value.columns.items()} if hasattr(value, "columns")
                else vars(value) if hasattr(value, "coefficients") else value)  # fmt: skip


@pytest.mark.parametrize("kind", ["particles", "tilts", "plan", "deformation"])
def test_every_field_with_a_value_per_row_is_taken_and_the_others_stay(kind: str) -> None:
    noun = nouns()[kind]
    taken = noun.take(PICKED)
    for field in fields(noun):
        before, after = getattr(noun, field.name), getattr(taken, field.name)
        has_rows = hasattr(before, "__len__") and not isinstance(before, str) and len(before) == N
        if has_rows and not hasattr(before, "take"):
            assert text(after) == text(tuple(before[i] for i in PICKED.tolist()))
        elif has_rows and isinstance(before, np.ndarray):
            assert np.array_equal(after, before[PICKED]), field.name
        elif hasattr(before, "take"):
            assert text(after) == text(before.take(PICKED)), field.name
        else:
            assert after is before, field.name


@pytest.mark.parametrize("kind", ["particles", "tilts", "plan", "deformation"])
def test_a_mask_takes_what_its_numbers_take(kind: str) -> None:
    noun = nouns()[kind]
    mask = np.isin(np.arange(N), PICKED)
    for field in fields(noun):
        one, other = (getattr(noun.take(rows), field.name) for rows in (mask, np.sort(PICKED)))
        assert text(one) == text(other)


def test_no_row_can_be_taken() -> None:
    assert [len(noun.take([])) for noun in (nouns()["particles"], nouns()["tilts"], nouns()["plan"])] == [0, 0, 0]


def test_what_is_no_row_is_refused() -> None:
    plan = nouns()["plan"]
    with pytest.raises(TypeError):
        plan.take([0.5])
    for rows in (2, False, [True] * (N - 1), [[1]], [N]):
        with pytest.raises(IndexError):
            plan.take(rows)


def test_particles_can_be_taken_without_what_only_writing_needs() -> None:
    taken = nouns()["particles"].take(PICKED, with_tables=False, with_trajectories=False)
    assert taken.table is taken.optics_table is taken.trajectories is None
    assert taken.half_set.tolist() == [2, 1, 2]


def test_tilts_of_a_series_are_taken_with_their_images() -> None:
    whole = tomogram(n_tilts=N)
    some = whole.take_tilts(PICKED)
    assert some.images is not None
    assert whole.images is not None
    assert some.images.shape == (3, *whole.images.shape[1:])
    assert all(np.array_equal(some.images[i], whole.images[tilt]) for i, tilt in enumerate(PICKED.tolist()))
    assert np.array_equal(some.tilts.dose_e_per_a2, whole.tilts.dose_e_per_a2[PICKED])
    assert replace(whole, images=None).take_tilts(PICKED).images is None
