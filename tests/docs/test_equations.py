"""The equations of the documentation: KaTeX understands every one, without a network."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from tests.report.browser import browser, find_browser

CODE = re.compile(r"^```.*?^```|(?:^|(?<=\n\n))(?: {4}[^\n]*\n)+|``.+?``|`[^`\n]+`", re.MULTILINE | re.DOTALL)
DISPLAY = re.compile(r"^ *\$\$\n(.*?)^ *\$\$$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<![\\$])\$(?=\S)([^$]*?\S)\$(?!\d)")
IMITATED = re.compile(r"[Σ∏√∫]")


def pages(repository: Path) -> dict[str, str]:
    """Give the pages of the documentation, by name."""
    docs = repository / "docs"
    return {str(path.relative_to(docs)): path.read_text(encoding="utf-8") for path in sorted(docs.rglob("*.md"))}


def equations(page: str) -> list[tuple[str, bool]]:
    """List the equations of a page, and whether each stands on lines of its own."""
    displayed = DISPLAY.findall(page)
    rest = re.sub(r"`[^`\n]+`|^```.*?^```", "", DISPLAY.sub("", page), flags=re.MULTILINE | re.DOTALL)
    return [(tex, True) for tex in displayed] + [(tex, False) for tex in INLINE.findall(rest)]


def test_no_code_imitates_an_equation(repository: Path) -> None:
    found = {
        (name, code.strip()[:60])
        for name, text in pages(repository).items()
        for code in CODE.findall(DISPLAY.sub("", text))
        if IMITATED.search(code)
    }
    assert found == set()


def test_lists_go_on_after_an_item_with_an_equation(repository: Path) -> None:
    """An item that follows a paragraph of the one before, without an empty line, would be taken into it."""
    swallowed = re.compile(r"\n\n {4}\S[^\n]*(?:\n {4}[^\n]+)*\n((?:[*-]|\d+\.) [^\n]{0,40})")
    found = {(name, item) for name, text in pages(repository).items() for item in swallowed.findall(text)}
    assert found == set()


def test_katex_comes_with_its_licence_and_with_every_font_that_it_asks_for(repository: Path) -> None:
    katex = repository / "docs" / "assets" / "vendor" / "katex"
    asked = set(re.findall(r"url\(([^)]*)\)", (katex / "katex.min.css").read_text(encoding="utf-8")))
    assert asked == {f"fonts/{path.name}" for path in (katex / "fonts").iterdir()}
    assert "MIT License" in (katex / "LICENSE").read_text(encoding="utf-8")
    assert sum(path.stat().st_size for path in katex.rglob("*") if path.is_file()) < 1_500_000


@pytest.mark.skipif(find_browser() is None, reason="no Chromium is installed to look at pages with")
def test_every_equation_is_understood(repository: Path, tmp_path: Path) -> None:
    assets = (repository / "docs" / "assets").as_uri()
    found = [(name, *entry) for name, text in pages(repository).items() for entry in equations(text)]
    assert {name for name, _, _ in found} >= {"theory.md", "conventions.md", "spec/conventions.md", "spec/cost.md"}
    marked = (
        f'<div class="arithmatex">\\[{html.escape(tex)}\\]</div>' if own else
        f'<span class="arithmatex">\\({html.escape(tex)}\\)</span>' for _, tex, own in found
    )  # fmt: skip
    page = tmp_path / "equations.html"
    page.write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><link rel="stylesheet" href="{assets}/vendor/katex/katex.min.css">'
        f'<script src="{assets}/vendor/katex/katex.min.js"></script><script src="{assets}/equations.js"></script>'
        + "\n".join(marked),
        encoding="utf-8",
    )
    with browser(tmp_path / "profile") as chromium:
        chromium.open(page, width=1200)
        wrong = "[...document.querySelectorAll('.katex-error')].map(e => e.title)"
        assert chromium.evaluate(wrong) == []
        done = ".arithmatex > .katex, .arithmatex > .katex-display"
        assert chromium.evaluate(f"document.querySelectorAll('{done}').length") == len(found)
        assert chromium.evaluate("document.fonts.ready.then(fonts => [...fonts].some(f => f.status == 'loaded'))")
        assert [url for url in chromium.requests() if not url.startswith(("file:", "data:"))] == []
