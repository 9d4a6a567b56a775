"""Who this process is among those that a launcher of MPI jobs started, by its variables and without an MPI library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_LAUNCHERS = (
    # rank, size, rank on this host, size on this host
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"),
    ("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
    # the size of the step, which batch scripts have not: those run once, whatever SLURM_NTASKS says
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE"),
)
"""Variables of Open MPI; of MPICH, Intel MPI and MVAPICH; of srun."""
_JOB_NAMES = ("PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid", "PMI_KVS", "SLURM_JOB_ID")
"""Variables that are the same for all ranks of a job, and different for other jobs."""


@dataclass(frozen=True)
class Ranks:
    """One of the processes that run the same command line."""

    rank: int = 0
    """From 0; that one speaks for all."""
    size: int = 1
    local_rank: int = 0
    """Its number among those of its host."""
    local_size: int = 1
    """How many run on its host."""
    job: str = "job"
    """Name that all ranks of a job share, fit for a file; other jobs have another one if the launcher tells its own."""

    @property
    def is_one_host(self) -> bool:
        """Whether all ranks run on one host."""
        return self.local_size >= self.size


ALONE = Ranks()


def ranks_of(environment: Mapping[str, str]) -> Ranks:
    """Read the variables of the launcher that started this process; one that nothing started is alone."""
    for variables in _LAUNCHERS:
        rank, size, local_rank, local_size = (_number(environment.get(name)) for name in variables)
        if rank is None or size is None or not rank < size:
            continue
        told = (environment.get(name) for name in _JOB_NAMES)
        step = environment.get("SLURM_STEP_ID", "") if variables[0].startswith("SLURM") else ""
        job = re.sub(r"[^\w.-]+", "-", f"{next(filter(None, told), 'job')}{step and f'.{step}'}")
        if local_size is None:
            # not told: those of a rank that has no number on its host may be anywhere
            local_size = size if size == 1 else 1
        return Ranks(rank, size, local_rank or 0, min(local_size, size), job)
    return ALONE


def _number(text: str | None) -> int | None:
    """Read a count; of `4(x2),3` the first one, which is that of the first host."""
    found = re.match(r"\d+", text or "")
    return int(found[0]) if found else None
