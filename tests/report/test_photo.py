"""Images with marks and writing: where they are, how bright, and without what."""

from __future__ import annotations

import io
import subprocess
import sys

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from subtomo.report.cividis import cividis
from subtomo.report.photo import Panel, photo
from subtomo.report.style import KEPT, LEFT_OUT


def pixels(png: bytes) -> NDArray[np.int64]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(np.int64)


def test_the_first_row_is_at_the_bottom_and_low_is_black() -> None:
    values = np.zeros((64, 64))
    values[:32] = 1.0
    shown = pixels(photo(1, 1.0, lambda panels: panels[0].show_grey(values, 0.0, 1.0), shape=1.0))
    assert shown.shape == (100, 100, 3)
    assert (shown[10] < 8).all()
    assert (shown[90] > 247).all()


def test_marks_are_where_points_are() -> None:
    def draw(panels: list[Panel]) -> None:
        panels[0].show_grey(np.zeros((20, 40)), 0.0, 1.0, (400, 200))
        panels[0].circles(np.array([[99.5, 49.5]]), 30.0, KEPT, line_pt=1.0)
        panels[0].crosses(np.array([[299.5, 149.5]]), 5.0, LEFT_OUT, line_pt=2.0)
        panels[0].dots(np.array([[199.5, 99.5]]), 3.0, LEFT_OUT)

    shown = pixels(photo(1, 4.0, draw, shape=0.5))
    blue, orange = shown[..., 2] > 150, (shown[..., 0] > 150) & (shown[..., 2] < 120)
    rows, columns = np.nonzero(blue)
    assert abs(rows.mean() - 150) < 1
    assert abs(columns.mean() - 100) < 1
    assert abs(np.ptp(columns) - 60) < 4
    assert orange[50, 300]
    assert orange[100, 200]


def test_four_panels_with_writing_and_bar_leave_a_gap() -> None:
    def draw(panels: list[Panel]) -> None:
        for panel in panels:
            panel.show_weights(np.ones((8, 8)), 1.0)
        panels[0].write("CTF², $x$\n0 to 1", top=True)
        panels[3].scale_bar(100, 3.0)

    shown = pixels(photo(4, 2.0, draw))
    assert shown.shape == (400, 400, 3)
    assert (shown[199:201] == 0).all()
    assert np.abs(shown[300, 100] - cividis(1.0)).max() < 8
    assert shown[:30, :30, 0].min() < 150 < shown[100, 100, 0]  # the plate
    assert (shown[370:, 330:] > 240).all(axis=-1).any()  # the bar


def test_colours_are_those_of_the_scale() -> None:
    shares = np.linspace(0, 1, 255)
    assert (cividis(shares) == (255 * mpl.colormaps["cividis"](shares)[:, :3]).round()).all()


def test_the_page_of_an_extraction_does_without_matplotlib() -> None:
    program = "import sys, subtomo.report.page; print('matplotlib' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n", run.stderr
