"""What an average is: its maps, their curves, and how it shows itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from subtomo.model.notebook import Shown
from subtomo.model.resolution import GuinierCurves, ResolutionCurves

if TYPE_CHECKING:
    from subtomo.report.style import Picture

Float32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False, repr=False)
class AverageResult(Shown):
    """The maps (c, c, c) of an average and their curves."""

    folder: str
    """Ends in a slash."""
    maps: dict[str, Float32]
    """half1, half2, merged, filtered, mask; the files have these names."""
    curves: ResolutionCurves
    guinier: GuinierCurves
    counts: tuple[int, int]
    """Particles in each half set."""
    n_particles: int
    """In the particle set, or in its class if one is averaged alone."""
    left_out: tuple[str, ...]
    seconds: float
    mask: str = ""
    """The mask in words."""
    classes: Mapping[int, int] = field(default_factory=dict)
    """Class to the number of its particles that went in; empty if the set knows no classes."""
    is_mask_guessed: bool = False
    """Whether nothing said how large the particle is, neither the settings nor the half maps."""

    @property
    def plots(self) -> dict[str, Picture]:
        """Draw sections of the maps, Fourier shell correlations, and the Guinier plot; notebooks show them."""
        from subtomo.report.average_charts import fsc_chart, guinier_chart
        from subtomo.report.sections import section_picture

        shown = {name: self.maps[name] for name in ("half1", "half2", "merged", "filtered")}
        sections = section_picture("sections", shown, self.curves.pixel_size_angstrom)
        return {"sections": sections, "fsc": fsc_chart(self.curves), "guinier": guinier_chart(self.guinier)}

    def _facts(self) -> list[tuple[str, Any]]:
        curves, b_factor = self.curves, self.guinier.b_factor_a2
        return [
            (
                "",
                f"{sum(self.counts)} of {self.n_particles} particles, half sets {self.counts[0]} + {self.counts[1]}",
            ),
            ("size", f"{len(self.maps['merged'])}³ voxels of {curves.pixel_size_angstrom:g} Å"),
            ("FSC 0.143 at", f"{curves.resolution_angstrom(0.143):.4g} Å"),
            ("B factor", None if b_factor is None else f"{b_factor:.0f} Å²"),
            ("left out", len(self.left_out) or None),
            ("in", self.folder),
        ]

    def _pictures(self) -> list[tuple[str, bytes]]:
        return [(picture.caption, picture.content) for picture in self.plots.values()]
