"""A third backend, registered; both ways of transforming: ducc0 (if installed), and the stand-in."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from subtomo.backends import fft, registry
from subtomo.backends.cpu import backend, exact, planes
from subtomo.backends.registry import register_backend
from tests.backends.small_backend import SmallBackend


@pytest.fixture(autouse=True)
def small_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the third backend in, by its one registration."""
    monkeypatch.setattr(registry, "_registered", {})
    register_backend("small", SmallBackend)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Let the fast backend transform with SciPy, as if ducc0 were not installed; give that module."""
    spec = importlib.util.spec_from_file_location("fft_without_ducc0", fft.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: None)
        spec.loader.exec_module(module)
    for user in (backend, exact, planes):
        for name in ("complex_to_complex", "half_to_real", "real_to_half"):
            if hasattr(user, name):
                monkeypatch.setattr(user, name, getattr(module, name))
    return module
