"""The chart of the benchmarks shows what was measured."""

from __future__ import annotations

from pathlib import Path

from benchmarks.chart import CHART, RESULTS, draw, measured


def test_the_chart_is_that_of_the_results() -> None:
    rows = measured(RESULTS.read_text(encoding="utf-8"))
    assert len(rows) == 5
    assert all(float(relion) > float(ours) for _, relion, ours, _ in rows)
    assert CHART.read_text(encoding="utf-8") == draw(rows), "run python -m benchmarks.chart"


def test_the_page_begins_with_a_sentence_and_the_chart(repository: Path) -> None:
    first, sentence, picture, *_ = (repository / "docs/benchmarks.md").read_text(encoding="utf-8").split("\n\n")
    assert first.startswith("# ")
    assert "subtomo" in sentence
    assert "benchmarks.svg" in picture
