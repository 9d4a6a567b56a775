"""Facts that speed rests on and that need no clock: what is allocated, read and computed, and how often."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from subtomo import PseudoSubtomograms
from subtomo.backends.cpu import CpuBackend
from subtomo.extraction import extractor as pipeline
from subtomo.extraction import filters
from subtomo.extraction.extractor import TomogramExtractor, new_backend
from subtomo.extraction.patches import read_patches_ahead
from subtomo.extraction.plan import plan_extraction
from subtomo.jobs.extract import RunContext, extract
from subtomo.model.settings import ExtractionSettings, Output
from subtomo.model.subtomogram import PseudoSubtomogram
from subtomo.physics.projection import patch_corners
from tests.helpers.builders import PIXEL_SIZE, SETTINGS, particle_set, tilt_images, tomogram, tomogram_set
from tests.helpers.project import NAMES, read_project

N_PARTICLES = 6
LARGE = ExtractionSettings(box_size=64, crop_size=48)
"""Results of 900 kB."""
SMALL_BYTES = 8_000
"""What positions, CTF terms and objects of Python may take; one image of a box is more."""


class RecordedImages:
    """Tilt images that remember which were asked for."""

    def __init__(self, images: NDArray[Any]) -> None:
        self.images, self.shape, self.reads = images, images.shape, Counter[int]()

    def __getitem__(self, tilt: int) -> NDArray[Any]:
        self.reads[tilt] += 1
        return self.images[tilt]


class ImagesThatReadAhead(RecordedImages):
    """Tilt images that remember which rows they were told of."""

    def __init__(self, images: NDArray[Any]) -> None:
        super().__init__(images)
        self.hints: list[tuple[int, int, int]] = []

    def read_ahead(self, tilt: int, first: int, end: int) -> None:
        self.hints.append((tilt, first, end))


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def make_extractor(settings: ExtractionSettings) -> TomogramExtractor:
    tomograms, particles = tomogram_set(tomogram()), particle_set(["TS_1"] * N_PARTICLES)
    plan = plan_extraction(tomograms, particles, settings)
    assert len(plan) == N_PARTICLES
    return TomogramExtractor(plan.series[0], particles, settings)


def memory_of(extractor: TomogramExtractor, index: int, backend: CpuBackend) -> tuple[int, int, int]:
    """Give bytes: the peak above what was there before, what stays when the result is gone, and the result's."""
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    particle = extractor.extract(index, backend)
    peak = tracemalloc.get_traced_memory()[1]
    if isinstance(particle, PseudoSubtomogram):
        size = particle.data.nbytes + particle.ctf2.nbytes + particle.multiplicity.nbytes
    else:
        size = particle.images.nbytes
    del particle
    return peak - before, tracemalloc.get_traced_memory()[0] - before, size


@pytest.mark.usefixtures("traced")
def test_a_warmed_up_backend_allocates_nothing_for_a_particle_when_the_one_before_is_gone() -> None:
    extractor, backend = make_extractor(LARGE), new_backend(LARGE)
    extractor.extract(0, backend)
    for index in range(1, N_PARTICLES):
        peak, _, size = memory_of(extractor, index, backend)
        assert peak < size / 50, f"particle {index}"


def test_a_result_stays_as_it_is_while_any_part_of_it_is_held() -> None:
    extractor, backend = make_extractor(LARGE), new_backend(LARGE)
    held, expected = [], []
    for index in range(N_PARTICLES):
        particle = extractor.extract(index, backend)
        parts = particle.data[3:5, :, 2], particle.multiplicity.reshape(-1)[7:].view(np.int32)
        held.append(parts)
        expected.append([part.copy() for part in parts])
        del particle
    for parts, copies in zip(held, expected, strict=True):
        for part, copy in zip(parts, copies, strict=True):
            np.testing.assert_array_equal(part, copy)


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("output", [Output.PSEUDO_SUBTOMOGRAM, Output.STACK_2D])
def test_memory_does_not_grow_from_particle_to_particle(output: Output) -> None:
    settings = ExtractionSettings(box_size=64, crop_size=48, output=output)
    extractor, backend = make_extractor(settings), new_backend(settings)
    for index in range(2):
        extractor.extract(index, backend)
    peaks, rests, sizes = zip(*(memory_of(extractor, index, backend) for index in range(2, N_PARTICLES)), strict=True)
    assert abs((peaks[-1] - sizes[-1]) - (peaks[0] - sizes[0])) < SMALL_BYTES
    assert sum(rests) < SMALL_BYTES


def test_a_backend_keeps_its_buffers_while_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    original = CpuBackend.__init__

    def counted(self: CpuBackend, *arguments: Any) -> None:
        made.append(1)
        original(self, *arguments)

    monkeypatch.setattr(CpuBackend, "__init__", counted)
    names = ["TS_1", "TS_2"]
    sequence = PseudoSubtomograms(tomogram_set(*map(tomogram, names)), particle_set(names * 2), SETTINGS)
    assert len(list(sequence)) == 4
    assert len(made) == 1


def test_only_visible_tilts_are_read_and_each_once() -> None:
    images = RecordedImages(tilt_images(5))
    # outside the untilted image, but inside those where the specimen is foreshortened
    particles = particle_set(["TS_1"], [[40.0 * PIXEL_SIZE, 0.0, 0.0]], origin_angstrom=np.zeros((1, 3)))
    sequence = PseudoSubtomograms(tomogram_set(tomogram(images=images)), particles, ExtractionSettings(24, 16))
    visible = sequence.plan.series[0].visible[0]
    assert 0 < visible.sum() < len(visible)
    assert not images.reads
    assert sequence[0].visible is not None
    assert images.reads == Counter(np.flatnonzero(visible).tolist())


def test_rows_of_all_patches_are_asked_for_ahead_once_and_within_the_images() -> None:
    images = ImagesThatReadAhead(tilt_images(5))
    tomograms, particles = tomogram_set(tomogram(images=images)), particle_set(["TS_1"] * N_PARTICLES)
    settings = ExtractionSettings(box_size=24, crop_size=16)
    entry = plan_extraction(tomograms, particles, settings).series[0]
    wanted = np.arange(len(entry)) != 1
    read_patches_ahead(entry, settings, wanted)
    height = images.shape[1]
    asked, needed = np.zeros((2, 5, height), np.int64)
    for tilt, first, end in images.hints:
        assert 0 <= first < end <= height
        asked[tilt, first:end] += 1
    for index, tilt in zip(*np.nonzero(entry.visible & wanted[:, None]), strict=True):
        first = patch_corners(entry.image_positions_px[index, tilt], 24)[1]
        needed[tilt, max(first, 0) : first + 24] = 1
    np.testing.assert_array_equal(asked, needed)


def test_nothing_is_asked_for_ahead_where_nothing_is_wanted() -> None:
    images = ImagesThatReadAhead(tilt_images(5))
    tomograms, particles = tomogram_set(tomogram(images=images)), particle_set(["TS_1"] * 2)
    entry = plan_extraction(tomograms, particles, SETTINGS).series[0]
    read_patches_ahead(entry, SETTINGS, np.zeros(2, bool))
    assert not images.hints


def test_tilts_beyond_the_dose_limit_are_never_read() -> None:
    images = RecordedImages(tilt_images(5))
    settings = ExtractionSettings(box_size=24, crop_size=16, max_dose_e_per_a2=5.0, whiten=True)
    made = tomogram(images=images)
    sequence = PseudoSubtomograms(tomogram_set(made), particle_set(["TS_1"] * 2), settings)
    assert len(list(sequence)) == 2
    assert set(images.reads) == set(np.flatnonzero(made.tilts.dose_e_per_a2 <= 5.0).tolist())


@pytest.mark.parametrize("threads", [1, 2])
def test_filters_are_computed_once_per_tomogram(project: Path, monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    calls: list[str] = []
    shared, weights = filters.tilt_filters, filters.dose_weights

    def counted(plan: Any, settings: Any) -> Any:
        calls.append(plan.series.name)
        return shared(plan, settings)

    def counted_weights(*arguments: Any) -> Any:
        calls.append("dose weights")
        return weights(*arguments)

    monkeypatch.setattr(pipeline, "tilt_filters", counted)
    monkeypatch.setattr(filters, "dose_weights", counted_weights)
    summary = extract(*read_project(project), SETTINGS, "out", context=RunContext(threads=threads))
    assert summary.n_extracted == 4
    assert Counter(calls) == {**dict.fromkeys(NAMES, 1), "dose weights": len(NAMES)}
