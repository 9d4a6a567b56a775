"""The page in a real browser: pictures load, nothing is asked of the network, nothing is cut off."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from subtomo.report.page import WrittenReport, write_report
from tests.report.browser import WORDS_OUTSIDE_CHARTS, Browser, browser, find_browser

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
    assert len(images) == 5
    assert all(complete and pixels > 100 for complete, pixels in images)
    charts = chromium.evaluate("[...document.querySelectorAll('svg.chart')].map(c => c.getBoundingClientRect().width)")
    assert len(charts) == 8
    assert all(pixels > 200 for pixels in charts)
    assert chromium.evaluate(WIDER) == []
    assert chromium.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    outside = [url for url in chromium.requests() if not url.startswith("data:")]
    assert outside == [page.as_uri()]
    assert chromium.complaints() == []


def test_charts_have_the_colours_of_light_and_dark_pages(chromium: Browser, page: Path) -> None:
    ink = "getComputedStyle(document.querySelector('svg.chart text')).fill"
    bar = "getComputedStyle(document.querySelector('svg.chart svg path')).fill"
    for dark, wanted in ((False, "rgb(28, 37, 48)"), (True, "rgb(230, 234, 239)")):
        chromium.open(page, width=1400, dark=dark)
        assert chromium.evaluate(ink) == wanted
        assert chromium.evaluate(bar) != wanted


def test_words_in_charts_stay_inside_them(chromium: Browser, page: Path) -> None:
    for width in (390, 1400):
        chromium.open(page, width=width)
        assert chromium.evaluate(WORDS_OUTSIDE_CHARTS) == []


def test_a_click_on_a_picture_makes_it_large_and_another_one_small_again(chromium: Browser, page: Path) -> None:
    chromium.open(page, width=1400)
    chromium.evaluate("document.querySelector('figure.grows svg').scrollIntoView({block: 'center'})")
    small = chromium.evaluate("document.querySelector('figure.grows svg').getBoundingClientRect().width")
    chromium.click("figure.grows svg")
    assert chromium.evaluate("document.querySelector('dialog.zoom').open")
    assert chromium.evaluate("document.querySelector('dialog.zoom svg').getBoundingClientRect().width") > 1.5 * small
    chromium.click("dialog.zoom svg")
    assert not chromium.evaluate("document.querySelector('dialog.zoom').open")


@pytest.fixture(scope="module")
def crowded(extracted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page on an extraction that left out two dozen particles."""
    folder = tmp_path_factory.mktemp("crowded") / "project"
    shutil.copytree(extracted, folder)
    summary = folder / "out" / "extraction_summary.json"
    account = json.loads(summary.read_text())
    one = account["left_out"][0]
    account["left_out"] = [
        one | {"name": f"TS_{1 + i % 2}/{i}", "tomogram": f"TS_{1 + i % 2}", "visible_tilts": i % 7} for i in range(24)
    ]
    summary.write_text(json.dumps(account))
    return write_report(folder / "out").page


def test_the_table_of_what_was_left_out_sorts_by_number_and_by_name(chromium: Browser, crowded: Path) -> None:
    chromium.open(crowded, width=1400)
    column = "[...document.querySelectorAll('#left-out tbody tr')].map(row => row.cells[{}].textContent)"
    chromium.evaluate("document.getElementById('left-out').scrollIntoView()")
    chromium.click("#left-out th:nth-child(3) button")
    tilts = [int(text) for text in chromium.evaluate(column.format(2))]
    assert tilts == sorted(tilts)
    chromium.click("#left-out th:nth-child(3) button")
    assert [int(text) for text in chromium.evaluate(column.format(2))] == tilts[::-1]
    chromium.click("#left-out th:nth-child(1) button")
    names = chromium.evaluate(column.format(0))
    assert names[:3] == ["TS_1/0", "TS_1/2", "TS_1/4"]  # 10 comes after 8
    assert names.index("TS_1/10") > names.index("TS_1/8")


def test_the_table_of_what_was_left_out_can_be_searched(chromium: Browser, crowded: Path) -> None:
    chromium.open(crowded, width=1400)
    chromium.evaluate("document.querySelector('input[type=search]').focus()")
    chromium.call("Input.insertText", text="ts_2 /1")
    shown = "[...document.querySelectorAll('#left-out tbody tr:not([hidden])')].map(row => row.cells[0].textContent)"
    assert set(chromium.evaluate(shown)) == {"TS_2/1", *(f"TS_2/{i}" for i in range(11, 20, 2))}
    assert chromium.evaluate("document.querySelector('.find output').textContent") == "6 of 24"


def test_the_page_reads_as_it_is_without_scripts(chromium: Browser, crowded: Path) -> None:
    chromium.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open(crowded, width=1400)
    finally:
        chromium.call("Emulation.setScriptExecutionDisabled", value=False)
    assert chromium.evaluate("document.querySelectorAll('#left-out tbody tr').length") == 24
    assert chromium.evaluate("document.querySelectorAll('#left-out button').length") == 0
    assert chromium.evaluate("getComputedStyle(document.querySelector('.find')).display") == "none"
