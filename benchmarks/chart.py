"""Draw ``docs/images/benchmarks.svg`` from the first table of RESULTS.md: ``python -m benchmarks.chart``."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
CHART = ROOT / "docs" / "images" / "benchmarks.svg"
WIDTH, LEFT, ROW, BAR, TOP = 720, 150, 54, 18, 58
RELION, OURS = "#9aa0a6", "#3f51b5"


def measured(results: str) -> list[tuple[str, str, str, str]]:
    """Read box / crop / bin, times per particle of RELION and of subtomo in units of F, and their quotient."""
    section = results.split("## Extraction, one thread")[1].split("\n## ")[0]
    table = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    titles = [title.strip("* ") for title in table[0]]
    relion, ours, times = (titles.index(title) for title in ("RELION, × F", "× F", "times RELION"))
    return [(row[0], row[relion], row[ours].split("**")[1], row[times]) for row in table[2:]]


def draw(rows: list[tuple[str, str, str, str]]) -> str:
    """Draw two bars for each size: an SVG picture on a ground of its own, to be read in light and dark pages."""
    scale = (WIDTH - LEFT - 120) / max(float(row[1]) for row in rows)
    height = TOP + ROW * len(rows) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="14" role="img">',
        "<title>Time per particle on one thread, RELION and subtomo</title>",
        f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#ffffff"/>',
        '<text x="16" y="24" font-size="15" fill="#202124">Time per particle, one thread, in units of F: '
        "the Fourier transforms that it needs</text>",
        _key(16, RELION, "RELION 5.0.1"),
        _key(150, OURS, "subtomo"),
        '<text x="250" y="46" fill="#5f6368" font-size="12">box / crop / binning at the left; shorter is faster</text>',
    ]
    for number, (size, relion, ours, times) in enumerate(rows):
        y = TOP + ROW * number + 6
        parts.append(f'<text x="16" y="{y + BAR + 5}" fill="#202124">{size}</text>')
        for offset, value, colour, words in (
            (0, relion, RELION, relion),
            (BAR + 2, ours, OURS, f"{ours}: {times} times as fast"),
        ):
            length = float(value) * scale
            parts.append(
                f'<rect x="{LEFT}" y="{y + offset}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>'
                f'<text x="{LEFT + length + 6:.1f}" y="{y + offset + 14}" fill="#202124">{words}</text>'
            )
    return "\n".join([*parts, "</svg>", ""])


def _key(x: int, colour: str, words: str) -> str:
    return (
        f'<rect x="{x}" y="35" width="12" height="12" fill="{colour}"/>'
        f'<text x="{x + 18}" y="46" fill="#202124">{words}</text>'
    )


if __name__ == "__main__":
    CHART.write_text(draw(measured(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
