"""Simulated picks in their true poses, as a project in the current folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from subtomo.model.particles import ParticleSet
from subtomo.physics.orientation import matrix_to_euler
from subtomo.simulation.picks import SimulatedPicks
from tests.refinement.conftest import picks, project, write_picks

__all__ = ["known", "picks", "project", "true_particles"]


@pytest.fixture(scope="session")
def true_particles(picks: SimulatedPicks) -> ParticleSet:
    """The particles where they are."""
    particles = picks.particles
    return replace(particles, coordinates=picks.coordinates_angstrom, angles_deg=matrix_to_euler(picks.rotation))


@pytest.fixture
def known(project: Path, picks: SimulatedPicks, true_particles: ParticleSet) -> Path:
    """The project with ``true.star``, the particles where they are."""
    write_picks("true.star", replace(picks, particles=true_particles))
    return project
