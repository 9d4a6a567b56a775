"""Every backend does steps as they are defined, in any order, and overwrites only what it may."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from numpy.typing import NDArray

from subtomo.backends.protocol import AnyBackend, Backend, BoxGeometry
from subtomo.backends.registry import get_backend
from subtomo.backends.spectra import (
    Completed,
    FourierVolume,
    Raised,
    Scaled,
    Sharpened,
    Spectra,
    Step,
    Undamped,
    Weighted,
    Whitened,
)
from subtomo.conventions import WEIGHT_FLOOR
from subtomo.physics.cone import cone_weight
from subtomo.physics.orientation import euler_to_matrix
from tests.backends.agreement import difference
from tests.backends.test_insertion import BOX, N_TILTS, filters, random_axes, random_images

FRAME = euler_to_matrix(np.array([20.0, 50.0, 10.0]))
CONE = Weighted(cone_weight(BOX, FRAME, 30.0, 1.5))
CHAINS: dict[str, Sequence[Step]] = {
    "nothing": [],
    "scale": [Scaled(0.7)],
    "scale after a look at real space": [Undamped(), Scaled(0.7)],
    "scale after a look at Fourier space": [Whitened(), Scaled(0.7), Scaled(2.0)],
    "undamped, sharpened": [Scaled(2.0), Undamped(), Sharpened(WEIGHT_FLOOR)],
    "sharpened first": [Sharpened(), Undamped()],
    "raised, whitened": [Raised(), Whitened()],
    "undamped, whitened": [Undamped(), Sharpened(WEIGHT_FLOOR), Whitened()],
    "completed": [Completed(np.full(BOX // 2 + 1, 0.05), np.full(BOX // 2 + 1, 0.3), 7)],
    "cone": [CONE],
    "whitened cone": [Sharpened(WEIGHT_FLOOR), Whitened(), Weighted(CONE.weights, is_whitened=True)],
    "cone, undamped": [CONE, Undamped(), Scaled(1.5)],
}


def slices_of(backend: AnyBackend) -> Any:
    """Bring images through the verbs, and give their slices weights that differ."""
    patches = backend.crop(list(random_images(3).astype(np.float32)), np.zeros((N_TILTS, 2), np.int64))
    slices = backend.transform(patches, np.full((N_TILTS, 2), BOX / 2))
    return backend.modulate(slices, np.arange(N_TILTS), filters(), None)


def finished(backend: AnyBackend, term: str, chain: Sequence[Step]) -> FourierVolume:
    sums = getattr(backend, term)()
    sums.insert(slices_of(backend), random_axes(), filters().limits)
    spectra = sums.spectra()
    for step in chain:
        spectra = backend.apply(spectra, step)
    return backend.to_volume(spectra)


@pytest.mark.parametrize("name", ["cpu", "reference", "small"])
@pytest.mark.parametrize("term", ["trilinear", "exact"])
@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS.keys())
def test_steps_compose_as_their_definitions_do(name: str, term: str, chain: Sequence[Step]) -> None:
    backend = get_backend(name)(BoxGeometry(BOX, BOX, BOX, 1.0))
    plain, found = finished(backend, term, []), finished(backend, term, chain)
    spectra = Spectra.of(plain)
    for step in chain:
        spectra = step(spectra)
    expected = spectra.volume()
    # what single precision leaves of weights that are nearly nothing is raised by whitening
    tolerance = 2e-4 if any(isinstance(step, Whitened | Completed) for step in chain) else 3e-6
    assert difference(found.data, expected.data) <= tolerance
    assert difference(found.weights, expected.weights) <= 2e-6


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS.keys())
def test_steps_leave_the_spectra_that_they_are_given_alone(chain: Sequence[Step]) -> None:
    backend = get_backend("reference")(BoxGeometry(BOX, BOX, BOX, 1.0))
    given = Spectra.of(finished(backend, "trilinear", []))
    kept = copy.deepcopy(given)
    for step in chain:
        step(given)
    for one, other in zip(given, kept, strict=True):
        np.testing.assert_array_equal(one, other)


def consumed(verb: Callable[..., Any]) -> set[str]:
    """Name the arguments that a verb of the protocol may overwrite."""
    hints = get_type_hints(verb, include_extras=True)
    return {name for name, kind in hints.items() if "consumed" in get_args(kind)[1:]}


def arrays_in(value: Any) -> list[NDArray[Any]]:
    """List the arrays of an argument."""
    if isinstance(value, np.ndarray):
        return [value]
    return [array for part in value for array in arrays_in(part)] if isinstance(value, list | tuple) else []


class Watched:
    """A backend that sees to it that no verb overwrites what is not `Consumed`."""

    def __init__(self, backend: AnyBackend) -> None:
        self._backend = backend
        self.watched: list[str] = []

    def __getattr__(self, name: str) -> Any:
        verb, may = getattr(self._backend, name), consumed(getattr(Backend, name))
        names = list(get_type_hints(getattr(Backend, name)))

        def call(*arguments: Any) -> Any:
            safe = [array for key, value in zip(names, arguments, strict=False) if key not in may
                    for array in arrays_in(value)]  # fmt: skip
            before = [array.copy() for array in safe]
            result = verb(*arguments)
            assert all(np.array_equal(one, other) for one, other in zip(before, safe, strict=True)), name
            self.watched.append(name)
            return result

        return call


@pytest.mark.parametrize("name", ["cpu", "reference", "small"])
@pytest.mark.parametrize("binning", [1.0, 1.5])
def test_verbs_overwrite_only_what_their_types_say(name: str, binning: float) -> None:
    patch = round(BOX * binning)
    watched = Watched(get_backend(name)(BoxGeometry(patch, BOX, BOX - 4, binning)))
    images = [np.random.default_rng(i).normal(size=(patch, patch)).astype(np.float32) for i in range(N_TILTS)]
    patches = watched.circle_crop_patches(watched.crop(images, np.zeros((N_TILTS, 2), np.int64)))
    slices = watched.transform(patches, np.full((N_TILTS, 2), BOX / 2))
    modulated = watched.modulate(slices, np.arange(N_TILTS), filters(), None)
    pictures = watched.multiply(watched.circle_crop(watched.to_images(modulated)), np.ones((BOX, BOX)))
    watched.window(pictures)
    watched.to_crop_slices(pictures)
    watched.to_slices(pictures, modulated)
    assert len(watched.watched) == 10


def test_what_may_be_overwritten_is_in_the_types_of_the_verbs() -> None:
    assert consumed(Backend.to_slices) == {"images", "modulated"}
    assert consumed(Backend.apply) == {"sums"}
    assert consumed(Backend.window) == set()
