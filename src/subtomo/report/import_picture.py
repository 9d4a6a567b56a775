"""A picture of an import: the lowest-dose tilt with a lattice of points where both models see them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.model.tilt_series import TiltSeries
from subtomo.report.photo import Panel, photo
from subtomo.report.picks import shrunk
from subtomo.report.style import KEPT, LEFT_OUT

_SIDE_PX = 700

Float = NDArray[np.float64]


def draw_residual(series: TiltSeries, source_px: Float, written_px: Float, greatest_px: Float) -> bytes:
    """Draw the tilt image with the lowest dose, and the lattice in it.

    Args:
        series: As it was written, with its images.
        source_px: (n_tilts, m, 2) where the source's model sees the lattice.
        written_px: (n_tilts, m, 2) where the tilt series that was written sees it.
        greatest_px: (n_tilts,) greatest difference.

    Returns:
        A PNG file.
    """
    dose = series.tilts.dose_e_per_a2
    # without doses the flattest view shows most
    tilt = int(np.argmin(dose)) if dose.any() else int(np.argmax(np.abs(series.tilts.projection[:, 2, 2])))
    width, height = series.image_size
    images: Any = series.images
    image = shrunk(images[tilt], max(1, round(max(width, height) / _SIDE_PX)))

    def draw(panels: list[Panel]) -> None:
        (panel,) = panels
        low, high = np.percentile(image, (0.5, 99.5)).tolist()
        panel.show_grey(image, low, max(high, low + 1e-6), (width, height))
        panel.rings(source_px[tilt], 3.9, KEPT, line_pt=1.0)
        panel.crosses(written_px[tilt], 3.9, LEFT_OUT, line_pt=1.0, upright=True, outlined=False)
        panel.write(_caption(series.name, tilt, greatest_px), top=True)
        panel.write("o source   + written", size_pt=10)
        panel.scale_bar(width, series.pixel_size_angstrom)

    return photo(1, _SIDE_PX / 100, draw, shape=float(np.clip(height / width, 0.4, 2.0)))


def _caption(name: str, tilt: int, greatest_px: Float) -> str:
    """Say how far models differ in the tilt that is shown, and in the one where they differ most."""
    worst = int(np.argmax(greatest_px))
    here, most = (f"up to {greatest_px[one]:.3g} px" for one in (tilt, worst))
    return f"{name}, tilt {tilt + 1}: {here}" + (f" ({most} in tilt {worst + 1})" if worst != tilt else "")
