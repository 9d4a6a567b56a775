"""What headers of images say that cannot be meant, told once for each series."""

from __future__ import annotations

from collections.abc import Iterator

from subtomo.doctor.case import Case
from subtomo.doctor.findings import Finding, error, listed, warning
from subtomo.io.oddities import grouped


def check_oddities(case: Case) -> Iterator[Finding]:
    """Report what is odd about the headers of tilt images, once for each series and kind."""
    for one in case.series:
        for paths, oddity in grouped(one.headers.values()):
            kind = error if oddity.is_error else warning
            where = f"tomogram {one.tomogram.name}: {listed(paths, 2)}"
            yield kind(oddity.kind, where, oddity.what, oddity.advice)


def spoils_pixels(case: Case) -> bool:
    """Tell whether the pixels of any image are not what is read, so that nothing can be concluded from them."""
    return any(oddity.is_error for one in case.series for header in one.headers.values() for oddity in header.oddities)
