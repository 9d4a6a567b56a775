"""Picks in STAR files that are written in RELION's labels (spec/importing.md, picks)."""

from __future__ import annotations

from pathlib import Path

from subtomo.foreign.picks_source import PicksSource
from subtomo.io.relion.picks import are_star_picks, read_star_picks
from subtomo.model.foreign_picks import ForeignPicks


class StarPicks(PicksSource):
    """A STAR file with one row per particle, of RELION 3, 4 and 5, Warp or pytom-match-pick."""

    def recognises(self, path: Path, beginning: bytes) -> bool:
        """Tell by labels among the first bytes, or by the name."""
        return are_star_picks(path, beginning)

    def read(self, path: Path) -> ForeignPicks:
        """Read the picks; see `PicksSource.read`."""
        return read_star_picks(path)
