"""The page in a real browser: pictures load, nothing is asked of the network, nothing is cut off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from subtomo.report.page import WrittenReport
from tests.report.browser import Browser, browser, find_browser

pytestmark = pytest.mark.skipif(find_browser() is None, reason="no Chromium is installed to look at pages with")

WIDER = """[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, pre, svg')
    && e.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
    .map(e => e.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def page(written: WrittenReport) -> Path:
    return written.page


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_fits_and_is_whole(chromium: Browser, page: Path, width: int, dark: bool) -> None:
    chromium.open(page, width=width, dark=dark)
    images = chromium.evaluate("[...document.images].map(i => [i.complete, i.naturalWidth])")
    assert len(images) == 13
    assert all(complete and pixels > 100 for complete, pixels in images)
    assert chromium.evaluate(WIDER) == []
    assert chromium.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    outside = [url for url in chromium.requests() if not url.startswith("data:")]
    assert outside == [page.as_uri()]
    assert chromium.complaints() == []


def test_dark_pages_have_dark_charts(chromium: Browser, page: Path) -> None:
    corner = """(() => { const image = [...document.images].find(i => i.alt.startsWith('Histogram of the number'));
        const canvas = document.createElement('canvas').getContext('2d'); canvas.drawImage(image, 0, 0);
        return [...canvas.getImageData(2, 2, 1, 1).data].slice(0, 3)}) ()"""
    card = "getComputedStyle(document.querySelector('section')).backgroundColor"
    for dark in (False, True):
        chromium.open(page, width=1400, dark=dark)
        assert chromium.evaluate(card) == "rgb({}, {}, {})".format(*chromium.evaluate(corner))
