"""What a run knows of the world around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from subtomo.io.relion import OptimisationSet
from subtomo.jobs.batches import BatchExecutor
from subtomo.jobs.progress import ProgressListener, Silent
from subtomo.model.account import ExtractionSummary


@dataclass(frozen=True)
class RunContext:
    """What a run knows of the world around it."""

    files: OptimisationSet = field(default_factory=OptimisationSet)
    """What the new optimisation set says of tomograms, trajectories and manifolds; by default their sources."""
    threads: int | None = None
    """Particles at a time; None for one per available core."""
    progress: ProgressListener = field(default_factory=Silent)
    """Hears how far the run is."""
    inputs: tuple[str, ...] = ()
    """Further input files, which must not be overwritten."""
    input_warnings: tuple[str, ...] = ()
    """What readers warned of, to be told, and kept in the account."""
    before_series: Callable[[str], None] = lambda name: None
    """Called before each tomogram; may raise to stop the run."""
    resume: bool = False
    """Keep particles that an earlier run finished with the same settings and inputs."""
    verify: bool = False
    """Compare the files of finished particles with the checksums that were taken when they were written."""
    overwrite: bool = False
    """Replace files of other programs in the output folder."""
    project: str = ""
    """Folder that relative names of files start from; empty for the current one."""
    check_disk: bool = True
    """Refuse to begin if the disk has no room for what will be written."""
    executor: BatchExecutor | None = None
    """Makes batches of particles elsewhere; None for threads of this process."""
    account: Callable[[ExtractionSummary], None] = lambda summary: None
    """Called at the very end, while the folder still belongs to this run."""
