"""RELION's STAR files: the only folder that knows an "rln" label."""

from subtomo.io.relion.left_out import write_left_out
from subtomo.io.relion.optimisation_set import OptimisationSet, read_optimisation_set, write_optimisation_set
from subtomo.io.relion.output import ParticleFiles, write_particles
from subtomo.io.relion.particles import read_particles
from subtomo.io.relion.tomograms import read_tomograms
from subtomo.io.relion.trajectories import write_trajectories

__all__ = [
    "OptimisationSet",
    "ParticleFiles",
    "read_optimisation_set",
    "read_particles",
    "read_tomograms",
    "write_left_out",
    "write_optimisation_set",
    "write_particles",
    "write_trajectories",
]
