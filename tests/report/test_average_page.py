"""The page of an average: what it says, and its interactive surface in a real browser."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from subtomo.averaging.resolution import compare_halves, filtered_map, guinier_curves
from subtomo.model.resolution import ResolutionCurves
from subtomo.physics.window import centre_distance, soft_disc
from subtomo.report.average import AverageFacts, write_average_page
from subtomo.report.verdict import resolution_notes, resolution_words
from tests.report.browser import WORDS_OUTSIDE_CHARTS, Browser, browser, find_browser

PIXEL, SIZE = 5.0, 48
needs_browser = pytest.mark.skipif(find_browser() is None, reason="no Chromium is installed to look at pages with")


def make_facts(folder: Path) -> AverageFacts:
    """Half maps of three balls in noise."""
    random = np.random.default_rng(3)
    z, y, x = np.meshgrid(*[np.arange(SIZE) - SIZE // 2] * 3, indexing="ij")
    balls = ((0, 0, 0, 9.0), (8, 6, 0, 5.0), (-6, 0, 9, 4.0))
    truth = sum(np.exp(-(((x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2) / r**2)) for a, b, c, r in balls)
    one, two = (np.asarray(truth + 0.25 * random.standard_normal(truth.shape), np.float32) for _ in range(2))
    mask = soft_disc(centre_distance(SIZE, 3), 20.0, 5.0).astype(np.float32)
    curves = compare_halves(one, two, mask, PIXEL, 0)
    merged = (one + two) / 2
    maps = {"half1": one, "half2": two, "merged": merged, "filtered": filtered_map(merged, mask, curves)}
    return AverageFacts(
        folder=folder,
        title="Average/job007",
        maps=maps,
        curves=curves,
        guinier=guinier_curves(merged, mask, curves),
        counts=(31, 30),
        n_particles=63,
        left_out=("TS_1/7: <b>no</b> orientation", "TS_1/9: file is missing"),
        mask="soft sphere of 200 Å",
        classes={"1": 40, "2": 21},
        settings=[("Symmetry", "C1")],
        command=("subtomo", "average", "--o", "Average/job007/"),
        seconds=3.2,
    )


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> AverageFacts:
    return make_facts(tmp_path_factory.mktemp("average"))


@pytest.fixture(scope="module")
def page(facts: AverageFacts) -> Path:
    return write_average_page(facts)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


def test_the_page_says_what_went_in_and_what_came_out(page: Path, facts: AverageFacts) -> None:
    text = re.sub(r"<script.*?</script>|data:image/png;base64,[^\"]+", "", page.read_text(encoding="utf-8"), flags=re.S)
    for words in (
        "<h1>Average/job007</h1>",
        f"{facts.curves.resolution_angstrom(0.143):.1f} Å",
        "31 and 30",
        "of 63 particles went in",
        "1: 40, 2: 21",
        "soft sphere of 200 Å",
        "TS_1/7: &lt;b&gt;no&lt;/b&gt; orientation",
        "σ above the mean",
        "subtomo average",
        "voxels of 5 Å",
    ):
        assert words in text
    for name in ("surface.png", "sections.png"):
        assert np.asarray(Image.open(facts.folder / name).convert("L")).std() > 1


def test_a_map_without_a_surface_still_has_a_page(facts: AverageFacts, tmp_path: Path) -> None:
    flat = {**facts.maps, "filtered": np.zeros((SIZE,) * 3, np.float32)}
    text = write_average_page(replace(facts, folder=tmp_path, maps=flat)).read_text(encoding="utf-8")
    assert "The surface is not shown: the map has the same value everywhere" in text
    assert 'surface-viewer" hidden' not in text


def made_curves(corrected: list[float]) -> ResolutionCurves:
    values = np.array([1.0, *corrected, 0.0])
    return ResolutionCurves(
        PIXEL, np.arange(len(values)) / (2 * (len(values) - 1) * PIXEL), values, values, values * 0, values, 3
    )


BEYOND = "beyond it the curve stays above up to 20.0 Å"


@pytest.mark.parametrize(
    ("corrected", "words"),
    [
        ([0.9, 0.8, 0.6, 0.3, 0.1, 0.0, 0.0], "26.7 Å"),
        ([0.4, 0.3, 0.2, 0.1, 0.0, 0.0, 0.0], "not reached"),
        ([0.4, 0.9, 0.8, 0.7, 0.2, 0.0, 0.0], f"not reached (a dip at 80 Å; {BEYOND})"),
        ([0.9, 0.4, 0.8, 0.7, 0.2, 0.0, 0.0], f"80.0 Å (a dip at 40 Å; {BEYOND})"),
        ([0.9, 0.8, 0.1, 0.6, 0.1, 0.0, 0.0], "40.0 Å"),
    ],
)  # fmt: skip
def test_a_dip_is_told_from_the_end_of_a_curve(corrected: list[float], words: str) -> None:
    curves = made_curves(corrected)
    assert resolution_words(curves, 0.5) == words
    assert any("in a dip" in note for note in resolution_notes(curves)) == ("dip" in words)


def test_the_bundle_belongs_to_its_sources(repository: Path) -> None:
    tools = repository / "tools" / "viewer"
    digest = hashlib.sha256()
    for name in ("package.json", "marching.js", "viewer.js"):
        digest.update((tools / name).read_bytes())
    static = repository / "src" / "subtomo" / "report" / "static"
    first = (static / "surface.js").read_text(encoding="utf-8").splitlines()[0]
    assert digest.hexdigest()[:16] in first, "build it again: tools/viewer/README.md"
    assert "MIT License" in (static / "three.LICENSE").read_text(encoding="utf-8")
    assert "</script" not in (static / "surface.js").read_text(encoding="utf-8")


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1400])
def test_the_page_fits_works_from_a_file_and_asks_for_nothing(
    chromium: Browser, page: Path, width: int, dark: bool
) -> None:
    chromium.open(page, width=width, dark=dark)
    assert chromium.evaluate("document.querySelector('.surface-viewer').dataset.state") == "ready"
    assert chromium.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert chromium.evaluate(WORDS_OUTSIDE_CHARTS) == []
    assert [url for url in chromium.requests() if not url.startswith("data:")] == [page.as_uri()]
    assert chromium.complaints() == []


DIRECTION = "document.querySelector('.surface-viewer').dataset.direction.split(' ').map(Number)"
PIXELS = """(() => { const canvas = document.querySelector('.surface-viewer canvas');
    const copy = document.createElement('canvas'); copy.width = copy.height = 64;
    document.querySelector('.surface-viewer button[data-view=y]').click();
    const pen = copy.getContext('2d'); pen.drawImage(canvas, 0, 0, 64, 64);
    const data = pen.getImageData(0, 0, 64, 64).data; let seen = 0;
    for (let i = 3; i < data.length; i += 4) seen += data[i] > 127; return seen })()"""


@pytest.fixture
def viewer(chromium: Browser, page: Path) -> Browser:
    """The page, with its surface in sight."""
    chromium.open(page, width=1400)
    chromium.evaluate("document.querySelector('.surface-viewer').scrollIntoView({block: 'center'})")
    return chromium


@needs_browser
def test_the_surface_is_drawn(viewer: Browser) -> None:
    assert int(viewer.evaluate("document.querySelector('.surface-viewer').dataset.triangles")) > 1000
    assert 200 < viewer.evaluate(PIXELS) < 3000  # of 4096: a body with room around it


@needs_browser
def test_a_drag_with_the_mouse_rotates_the_surface(viewer: Browser) -> None:
    before = np.array(viewer.evaluate(DIRECTION))
    viewer.drag(".surface-viewer canvas", 120, 0)
    after = np.array(viewer.evaluate(DIRECTION))
    angle = np.rad2deg(np.arccos(before @ after))
    assert 20 < angle < 170
    assert abs(after[2] - before[2]) < 0.1  # across: about the upright axis, which is z here


@needs_browser
def test_the_slider_moves_the_contour_and_says_where_it_is(viewer: Browser) -> None:
    state = "document.querySelector('.surface-viewer output').textContent"
    triangles = "Number(document.querySelector('.surface-viewer').dataset.triangles)"
    before, count = viewer.evaluate(state), viewer.evaluate(triangles)
    assert "σ above the mean" in before
    x, y = viewer.place(".surface-viewer input")
    viewer.mouse("press", x, y)
    viewer.mouse("release", x, y)
    assert viewer.evaluate(state) != before
    assert 0 < viewer.evaluate(triangles) != count


@needs_browser
def test_the_wheel_scrolls_the_page_until_the_surface_was_touched_and_then_zooms(viewer: Browser) -> None:
    zoom = "Number(document.querySelector('.surface-viewer').dataset.zoom)"
    x, y = viewer.place(".surface-viewer canvas")
    viewer.mouse("move", x, y)
    viewer.mouse("wheel", x, y, deltaX=0, deltaY=-120)
    assert viewer.evaluate(f"new Promise(r => setTimeout(() => r({zoom}), 100))") == 1.0
    x, y = viewer.place(".surface-viewer canvas")
    viewer.click(".surface-viewer canvas")
    viewer.mouse("wheel", x, y, deltaX=0, deltaY=-120)
    assert viewer.evaluate(f"new Promise(r => setTimeout(() => r({zoom}), 200))") != 1.0


@needs_browser
def test_without_webgl_the_still_pictures_remain(page: Path, tmp_path: Path) -> None:
    with browser(tmp_path, webgl=False) as plain:
        plain.open(page, width=1400)
        assert plain.evaluate("document.querySelector('.surface-viewer').hidden")
        assert plain.evaluate("document.images.length") == 2
        assert plain.evaluate("[...document.images].every(i => i.naturalWidth > 300)")
