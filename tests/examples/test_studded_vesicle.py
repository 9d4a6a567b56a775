"""The molecule on a vesicle comes out of the manifold's normals and a blurred reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.test_examples import load


def test_the_molecule_is_found_where_the_reference_had_nothing(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(repository / "examples"))
    example = load(repository, "studded_vesicle", monkeypatch)
    example.simulate(tmp_path, n_tilts=21, noise=0.5, spacing=500.0)
    example.refine(tmp_path, rounds=1)
    assert example.correlation(tmp_path) > 0.6
