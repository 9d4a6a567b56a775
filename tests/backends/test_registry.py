"""Another backend comes in by one module: registered, or offered by another package."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints

import numpy as np
import pytest
import scipy.fft
from numpy.typing import NDArray

from subtomo import PseudoSubtomograms
from subtomo.backends import registry
from subtomo.backends.reference import Modulated, ReferenceBackend
from subtomo.backends.registry import get_backend, register_backend
from subtomo.errors import SettingsError
from subtomo.model.settings import DataTerm, ExtractionSettings, Output, Weighting
from tests.backends.agreement import DATA_TOLERANCE
from tests.helpers.builders import particle_set, tomogram, tomogram_set

SIZES = ExtractionSettings(box_size=24, crop_size=16)


class ScipyBackend(ReferenceBackend):
    """Double precision, with the transforms of SciPy."""

    def to_images(self, modulated: Modulated) -> NDArray[np.float64]:
        size = self.geometry.box_size
        images: NDArray[np.float64] = scipy.fft.irfft2(modulated.slices, s=(size, size)) * size
        return scipy.fft.fftshift(images, axes=(1, 2))

    def to_slices(self, images: NDArray[np.float64], modulated: Modulated) -> Modulated:
        spectra = scipy.fft.rfft2(scipy.fft.ifftshift(images, axes=(1, 2)))
        return Modulated(spectra / self.geometry.box_size, modulated.weights)


@pytest.fixture
def scipy_backend(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(registry, "_registered", {})
    register_backend("scipy64", ScipyBackend)
    return "scipy64"


@pytest.mark.parametrize(
    "settings",
    [
        SIZES,
        ExtractionSettings(box_size=24, crop_size=16, binning=1.5),
        ExtractionSettings(box_size=24, crop_size=16, weighting=Weighting.WHITENED, data_term=DataTerm.EXACT),
        ExtractionSettings(box_size=24, crop_size=16, output=Output.STACK_2D),
    ],
)
def test_a_registered_backend_agrees_with_the_reference_and_the_fast_one(
    scipy_backend: str, settings: ExtractionSettings
) -> None:
    names = (scipy_backend, "reference", "cpu")
    third, slow, fast = (
        PseudoSubtomograms(tomogram_set(tomogram()), particle_set(["TS_1"]), settings, backend=name)[0]
        for name in names
    )
    for term in ("images",) if settings.output is Output.STACK_2D else ("data", "ctf2", "multiplicity"):
        ours, expected, quick = (getattr(item, term) for item in (third, slow, fast))
        largest = np.abs(expected).max()
        np.testing.assert_allclose(ours, expected, atol=1e-6 * largest)
        if settings.data_term is DataTerm.RELION:  # the fast exact term has a test of its own
            np.testing.assert_allclose(quick, ours, atol=DATA_TOLERANCE * largest)


def test_a_backend_of_another_package_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = EntryPoints([EntryPoint("theirs", "subtomo.backends.reference:ReferenceBackend", registry.GROUP)])
    monkeypatch.setattr(registry, "entry_points", lambda group: offered)
    assert get_backend("theirs") is ReferenceBackend
    with pytest.raises(SettingsError, match=r"no backend 'gpu' \(backend\), only cpu, reference, theirs"):
        get_backend("gpu")
