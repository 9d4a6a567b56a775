"""What curves say about a resolution, in words."""

from __future__ import annotations

from math import isfinite

from subtomo.model.resolution import ResolutionCurves

THRESHOLDS = (0.143, 0.5)


def resolution_words(curves: ResolutionCurves, threshold: float, *, masked: bool = True) -> str:
    """Say what resolution a threshold gives: a number, "not reached", or a number with the dip that makes it."""
    found = curves.resolution_angstrom(threshold, masked=masked)
    dip = curves.dip(threshold, masked=masked)
    number = f"{found:.1f} Å" if isfinite(found) else "not reached"
    if dip is None:
        return number
    beyond = f"beyond it the curve stays above up to {dip.beyond_angstrom:.1f} Å"
    return f"{number} (a dip at {dip.at_angstrom:.0f} Å; {beyond})"


def resolution_notes(curves: ResolutionCurves) -> list[str]:
    """Name what makes a resolution less than it seems, or more."""
    notes = []
    if curves.reaches_nyquist(0.143):
        notes.append(
            "The FSC stays above 0.143 up to the last shell: the pixel size limits the resolution, so bin less."
        )
    for threshold in THRESHOLDS:
        dip = curves.dip(threshold)
        if dip is not None:
            notes.append(
                f"The FSC falls below {threshold:g} in a dip at {dip.at_angstrom:.0f} Å only and is above it again up "
                f"to {dip.beyond_angstrom:.1f} Å. The resolution is that before the dip, as ever; look at the curve."
            )
    if not isfinite(curves.resolution_angstrom(0.143)):
        notes.append(
            "The half maps agree nowhere: their FSC is below 0.143 at once. Are the orientations those of these "
            "particles, and is the contrast the same for all of them?"
        )
    return notes
