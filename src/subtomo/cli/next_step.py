"""The last line of a run: what one would do next; and what an interrupted one leaves."""

from __future__ import annotations

import shlex

from subtomo.cli.messages import tell, within_relion
from subtomo.model.account import ExtractionSummary
from subtomo.model.settings import Output
from subtomo.output.layout import output_folder

OPEN = "…"
"""What only the user knows."""


def tell_next(*words: str) -> None:
    """Name the next command, as a shell takes it; RELION's job system has next steps of its own."""
    if within_relion.get():
        return
    tell(f"next: {' '.join(word if word.startswith(OPEN) else shlex.quote(word) for word in words)}")


def after_extraction(summary: ExtractionSummary) -> None:
    """Name what one would do with particles: average volumes, refine stacks, open a store."""
    folder = summary.output_dir
    if summary.star_file.endswith(".zarr"):
        tell(f"next: in Python, subtomo.PseudoSubtomograms.open({summary.star_file!r})")
    elif summary.settings.output is not Output.PSEUDO_SUBTOMOGRAM or not summary.output.write_particles:
        tell_next("subtomo", "report", folder)
    else:
        tell_next("subtomo", "average", "--p", summary.star_file, "--o", "Average/")


def what_is_kept(n_done: int, output_dir: str) -> str:
    """Say what an interrupted extraction leaves, and how to go on."""
    folder = output_folder(output_dir)
    return f"{n_done} particle(s) are finished and kept in {folder}; the same command with --resume makes the others"
