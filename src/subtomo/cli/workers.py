"""``--dask`` and ``--dask-option``, wherever they are given."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from subtomo.errors import SettingsError

if TYPE_CHECKING:
    from subtomo.jobs.dask_executor import DaskExecutor


def prints_script(words: str | None) -> bool:
    """Print the script of SLURM jobs if the options of jobs ask for no more; tell whether they do.

    Raises:
        SettingsError: The options make no sense.
    """
    from subtomo.jobs.cluster import parse_options, slurm_script

    options = parse_options([words or ""])
    if not options.pop("dry_run", None):
        return False
    print(slurm_script(options), end="")
    return True


def workers(
    spec: str | None, words: str | None, output_dir: str, tell: Callable[[str], None]
) -> AbstractContextManager[DaskExecutor | None]:
    """Connect to Dask workers if that is wanted.

    Args:
        spec: Which; None or nothing for none.
        words: Options of SLURM jobs.
        output_dir: Folder that every worker must see.
        tell: Hears what the user should know while the run waits.

    Raises:
        SettingsError: There are options, but no workers.
    """
    from subtomo.jobs.cluster import connect, parse_options

    options = parse_options([words or ""])
    if spec:
        return connect(spec, options, output_dir, tell)
    if options:
        raise SettingsError("--dask-option is for --dask slurm, which is not given")
    return nullcontext()
