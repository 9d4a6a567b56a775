"""Whatever files hold, there is a finding and no traceback; small and odd projects are no fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.doctor.conftest import change, examine, findings, images, rewrite
from tests.helpers.project import edit
from tests.helpers.scene import Scene, write_scene

HOSTILE = {
    "a folder": None,
    "nothing": b"",
    "noise": bytes(range(256)) * 8,
    "no rows": b"data_particles\n\nloop_\n_rlnTomoName #1\n",
    "no numbers": b"data_particles\n\nloop_\n_rlnTomoName #1\n_rlnOpticsGroup #2\nTS x\n",
}


# any table will do for an optimisation set whose files are named beside it
STRANGE = [(option, kind) for option in ("--t", "--p", "--mot", "--i") for kind in HOSTILE][:-1]


@pytest.mark.parametrize(("option", "kind"), STRANGE)
def test_a_strange_star_file_is_a_finding(scene: Path, option: str, kind: str) -> None:
    put(Path("strange.star"), HOSTILE[kind])
    words = {"--t": "tomograms.star", "--p": "particles.star", "--b": "48"} | {option: "strange.star"}
    code, diagnosis = examine("--headers-only", at_least=tuple(word for pair in words.items() for word in pair))
    assert code == 1
    assert any("strange.star" in one["where"] + one["what"] for one in findings(diagnosis))


@pytest.mark.parametrize("name", ["TS.star", "TS.mrcs"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_strange_series_is_a_finding(scene: Path, name: str, kind: str) -> None:
    Path(name).unlink()
    put(Path(name), HOSTILE[kind])
    code, diagnosis = examine("--hand-test")
    assert code == 1
    assert any(name in one["where"] + one["what"] for one in findings(diagnosis))


def put(path: Path, content: bytes | None) -> None:
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)


def column(label: str, value: str) -> Callable[[], None]:
    return lambda: edit(Path("tomograms.star"), "global", **{label: [value]})


def far_away() -> None:
    change("particles.star", "particles", "rlnCenteredCoordinateXAngst", lambda values: values * 1e300)


ABSURD: dict[str, Callable[[], None]] = {
    "pixel size 0": column("rlnTomoTiltSeriesPixelSize", "0"),
    "pixel size 1e-200": column("rlnTomoTiltSeriesPixelSize", "1e-200"),
    "no voltage": column("rlnVoltage", "0"),
    "hand 0": column("rlnTomoHand", "0"),
    "size 0": column("rlnTomoSizeX", "0"),
    "endless size": column("rlnTomoSizeX", "9" * 30),
    "coordinates 1e300 Å away": far_away,
    "pixels of 1e35": lambda: rewrite(images() * np.float32(1e35)),
    "images of one pixel": lambda: rewrite(images()[:, :1, :1]),
}


@pytest.mark.parametrize("case", ABSURD)
def test_absurd_numbers_are_findings(scene: Path, case: str) -> None:
    ABSURD[case]()
    assert examine("--hand-test")[0] == 1


SMALL = [(1, 5, (300, 260)), (2, 1, (300, 260)), (20, 5, (301, 263))]


@pytest.mark.parametrize(("particles", "tilts", "image_size"), SMALL)
def test_small_and_odd_projects_are_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, particles: int, tilts: int, image_size: tuple[int, int]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_scene(tmp_path, Scene(particles, tilts, image_size, depth_px=60, snr=1.0))
    code, diagnosis = examine("--hand-test")
    assert (code, findings(diagnosis)) == (0, [])
    assert not diagnosis["hand"]["is_sure"]
