"""The formats of other programs that are read: a new one is one file, and one line here."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple


class Reader(NamedTuple):
    """Where the class is that reads a format."""

    module: str
    class_name: str
    kind: str = ""
    """Which tilt series these are, for help: ``that Warp or M aligned``."""

    @property
    def summary(self) -> str:
        """Say what the command does that imports these tilt series."""
        return f"Import tilt series {self.kind}, and say how exactly, in pixels."

    def make(self) -> Any:
        """Import the class, and make a reader."""
        return getattr(import_module(self.module), self.class_name)()


TILT_SERIES = {
    "warp": Reader("subtomo.foreign.warp", "WarpXml", "that Warp or M aligned"),
    "aretomo": Reader("subtomo.foreign.aretomo", "AreTomoAln", "that AreTomo 2 or 3 aligned"),
    "imod": Reader("subtomo.foreign.imod", "ImodFolder", "that IMOD or eTomo aligned"),
    "eman2": Reader("subtomo.foreign.eman2", "Eman2Info", "that EMAN2 aligned"),
    "portal": Reader("subtomo.foreign.portal", "PortalJson", "of the CryoET Data Portal"),
}
"""Each is a command of ``subtomo import``."""
PICKS = {
    "dynamo": Reader("subtomo.foreign.dynamo", "DynamoTable"),
    "stopgap": Reader("subtomo.foreign.motl", "StopgapStar"),
    "em": Reader("subtomo.foreign.motl", "EmMotivelist"),
    "star": Reader("subtomo.foreign.star", "StarPicks"),
    "imod": Reader("subtomo.foreign.imod_model", "ImodPoints"),
    "copick": Reader("subtomo.foreign.copick", "CopickJson"),
    "portal": Reader("subtomo.foreign.portal", "PortalNdjson"),
    "csv": Reader("subtomo.foreign.picks_csv", "CsvPicks"),
}
"""In the order in which they are asked whether a file is theirs."""
