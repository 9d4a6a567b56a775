"""Another backend comes in by one registration: of this process, or by another package's entry point."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints

import numpy as np
import pytest
from numpy.typing import NDArray

from subtomo import PseudoSubtomograms
from subtomo.backends import registry
from subtomo.backends.protocol import Backend, BoxGeometry
from subtomo.backends.reference import ReferenceBackend
from subtomo.backends.registry import alignment_backend, get_backend, volume_backend
from subtomo.errors import SettingsError
from subtomo.model.settings import ExtractionSettings
from tests.backends.small_backend import SmallBackend, SmallVolumes
from tests.helpers.builders import SETTINGS, particle_set, tomogram, tomogram_set

Float32 = NDArray[np.float32]


def test_a_registered_backend_brings_all_its_verbs() -> None:
    assert get_backend("small") is SmallBackend
    assert isinstance(volume_backend("small"), SmallVolumes)
    assert alignment_backend("small") is not alignment_backend("small")


def test_a_step_that_a_backend_does_not_know_is_done_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    from subtomo.backends.spectra import Spectra
    from subtomo.extraction import extractor

    def inverted(spectra: Spectra) -> Spectra:
        return spectra._replace(data=-spectra.data, ctf2=2.0 * spectra.ctf2)

    def first() -> tuple[Float32, Float32]:
        item = PseudoSubtomograms(tomogram_set(tomogram()), particle_set(["TS_1"]), SETTINGS)[0]
        return item.data, item.ctf2

    plain = first()
    monkeypatch.setattr(extractor, "weight_steps", lambda settings, subject: [inverted])
    changed = first()
    np.testing.assert_allclose(changed[0], -plain[0], atol=1e-6 * np.abs(plain[0]).max())
    np.testing.assert_array_equal(changed[1], 2.0 * plain[1])


def test_a_backend_that_lacks_a_verb_says_which() -> None:
    class Incomplete(SmallBackend):
        window = Backend.window

    with pytest.raises(TypeError, match=r"abstract method '?window"):
        Incomplete(BoxGeometry(16, 16, 16, 1.0))


def test_a_backend_of_another_package_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = EntryPoints([EntryPoint("theirs", "subtomo.backends.reference:ReferenceBackend", registry.GROUP)])
    monkeypatch.setattr(registry, "entry_points", lambda group: offered)
    assert get_backend("theirs") is ReferenceBackend
    with pytest.raises(SettingsError, match=r"no backend 'gpu' \(backend\), only cpu, reference, small, theirs"):
        get_backend("gpu")


def test_the_lazy_sequence_takes_a_registered_backend_by_its_name() -> None:
    settings = ExtractionSettings(box_size=24, crop_size=16)
    item = PseudoSubtomograms(tomogram_set(tomogram()), particle_set(["TS_1"]), settings, backend="small")[0]
    assert item.data.shape == (16, 16, 16)
