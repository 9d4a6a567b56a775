"""Pseudo-subtomograms for cryo-electron tomography, as RELION makes them, and on demand."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from subtomo.errors import InputError, SettingsError, SubtomoError
    from subtomo.extraction.sequence import PseudoSubtomograms
    from subtomo.io.relion import read_particles, read_tomograms
    from subtomo.jobs.extract import extract
    from subtomo.model.particles import ParticleSet
    from subtomo.model.settings import (
        CircleCrop,
        DataTerm,
        ExtractionSettings,
        Output,
        OutputSettings,
        Weighting,
    )
    from subtomo.model.subtomogram import PseudoSubtomogram, TiltStack
    from subtomo.model.tilt_series import TiltSeries, TomogramSet

_HOMES = {
    "CircleCrop": "subtomo.model.settings",
    "DataTerm": "subtomo.model.settings",
    "ExtractionSettings": "subtomo.model.settings",
    "InputError": "subtomo.errors",
    "Output": "subtomo.model.settings",
    "OutputSettings": "subtomo.model.settings",
    "ParticleSet": "subtomo.model.particles",
    "PseudoSubtomogram": "subtomo.model.subtomogram",
    "PseudoSubtomograms": "subtomo.extraction.sequence",
    "SettingsError": "subtomo.errors",
    "SubtomoError": "subtomo.errors",
    "TiltStack": "subtomo.model.subtomogram",
    "TiltSeries": "subtomo.model.tilt_series",
    "TomogramSet": "subtomo.model.tilt_series",
    "Weighting": "subtomo.model.settings",
    "extract": "subtomo.jobs.extract",
    "read_particles": "subtomo.io.relion",
    "read_tomograms": "subtomo.io.relion",
}
"""Where each public name lives; it is imported when first used, so that the help of the command answers at once."""

__all__ = [
    "CircleCrop",
    "DataTerm",
    "ExtractionSettings",
    "InputError",
    "Output",
    "OutputSettings",
    "ParticleSet",
    "PseudoSubtomogram",
    "PseudoSubtomograms",
    "SettingsError",
    "SubtomoError",
    "TiltSeries",
    "TiltStack",
    "TomogramSet",
    "Weighting",
    "extract",
    "read_particles",
    "read_tomograms",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
