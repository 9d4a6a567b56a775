"""Arguments of the wrong type are refused by name, in every function of the package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import subtomo
from subtomo import ExtractionSettings, ParticleSet, PseudoSubtomograms, SettingsError, extract
from subtomo.jobs.context import RunContext
from tests.helpers.project import read_project, write_project

PLACES = [[1, 2, 3]]
S = ExtractionSettings(24, 16)
Call = Callable[[Any, Any], object]

CALLS: dict[str, tuple[Call, str]] = {
    "settings as a table": (lambda t, p: PseudoSubtomograms(t, p, {"box_size": 24}), "settings"),  # type: ignore[arg-type]
    "no settings": (lambda t, p: extract(t, p, None, "o"), "settings"),  # type: ignore[arg-type]
    "sets swapped": (lambda t, p: PseudoSubtomograms(p, t, S), "tomograms"),
    "a list of series": (lambda t, p: extract([t[0]], p, S, "o"), "tomograms"),  # type: ignore[arg-type]
    "a word for output": (lambda t, p: extract(t, p, S, "o", output="float16"), "output"),  # type: ignore[arg-type]
    "settings for output": (lambda t, p: extract(t, p, S, "o", output=S), "output"),  # type: ignore[arg-type]
    "text for threads": (lambda t, p: extract(t, p, S, "o", context=RunContext(threads="4")), "threads"),  # type: ignore[arg-type]
    "no thread": (lambda t, p: extract(t, p, S, "o", context=RunContext(threads=0)), "threads"),
    "no folder": (lambda t, p: extract(t, p, S, None), "output_dir"),  # type: ignore[arg-type]
    "a backend that is none": (lambda t, p: PseudoSubtomograms(t, p, S, backend="gpu")[0], "backend"),
    "text for a size": (lambda t, p: ParticleSet.at("TS_1", PLACES, pixel_size_angstrom="5"), "pixel_size_angstrom"),  # type: ignore[arg-type]
    "text for a flag": (lambda t, p: ParticleSet.at("TS_1", PLACES, pixel_size_angstrom=5, centred="no"), "centred"),  # type: ignore[arg-type]
    "extraction for average": (lambda t, p: subtomo.average("o", "a", S), "settings"),  # type: ignore[arg-type]
    "threads of an average": (lambda t, p: subtomo.average(p, "a", threads="x"), "threads"),  # type: ignore[arg-type]
    "a flag for settings": (lambda t, p: subtomo.average(p, "a", from_tilts=True), "from_tilts"),  # type: ignore[arg-type]
    "settings of doctor": (lambda t, p: subtomo.doctor(p, t, {"b": 3}), "settings"),  # type: ignore[arg-type]
    "size as text": (lambda t, p: subtomo.doctor(p, t, S, image_size="3x4"), "image_size"),  # type: ignore[arg-type]
    "size of three": (lambda t, p: subtomo.doctor(p, t, S, image_size=(3, 4, 5)), "image_size"),  # type: ignore[arg-type]
    "settings of sampling": (lambda t, p: subtomo.sample_manifold(t, "x", "y", S), "settings"),  # type: ignore[arg-type]
    "tolerance": (lambda t, p: subtomo.compare("x", "y", tolerance="a"), "tolerance"),  # type: ignore[arg-type]
    "conditions": (lambda t, p: subtomo.fidelity(S, "f"), "conditions"),  # type: ignore[arg-type]
    "a number for a folder": (lambda t, p: subtomo.report(3), "folder"),  # type: ignore[arg-type]
    "a number for a file": (lambda t, p: subtomo.export(3, "x.star"), "particles"),  # type: ignore[arg-type]
    "nothing to read": (lambda t, p: subtomo.read_particles(None), "path"),  # type: ignore[arg-type]
    "no tomograms": (lambda t, p: subtomo.read_tomograms(3), "path"),  # type: ignore[arg-type]
}  # fmt: skip


@pytest.mark.parametrize("kind", list(CALLS))
def test_an_argument_of_the_wrong_type_is_refused_by_name(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    call, field = CALLS[kind]
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SettingsError, match=rf"\({field}\).*(but must be|, only )") as found:
        call(*read_project(tmp_path))
    assert found.value.fields == (field,)
    assert sorted(tmp_path.iterdir()) == before
