"""Make batches of particles on Dask workers: an existing scheduler, processes of this machine, or SLURM jobs.

This is the only file that knows Dask, which is imported when it is asked for.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from subtomo.errors import InputError, SettingsError
from subtomo.version import __version__

_ATTEMPTS = 3
"""A batch that fails is tried again this often less one; workers that die count, too."""
_BATCHES_PER_WORKER = 4
"""In flight at a time: enough to keep workers busy, few enough for any scheduler."""
_CONNECT_SECONDS = 15
_SLURM_OPTIONS = ("queue", "account", "cores", "memory", "walltime", "processes", "jobs", "dry_run")
_PIP = "Dask is not installed; pip install 'subtomo[dask]'"


_Running = dict[Any, tuple[Any, int]]
"""Future to its task and the number of the attempt."""


@dataclass(frozen=True)
class Outcome:
    """What became of a task."""

    task: Any
    result: Any = None
    error: Any = None
    """Exception of the last attempt; None if it succeeded."""
    attempts: int = 1


class DaskExecutor:
    """Runs a function over tasks on the workers of a Dask client; each task is tried up to three times.

    Args:
        client: A ``distributed.Client``.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def run(self, function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Outcome]:
        """Yield an outcome per task as they come; only some tasks are with the scheduler at a time."""
        import distributed

        waiting, running = iter(tasks), _Running()
        completed: Any = distributed.as_completed
        finished = completed(loop=self._client.loop)
        try:
            while True:
                while len(running) < self._capacity() and (task := next(waiting, None)) is not None:
                    self._submit(function, task, 1, running, finished)
                if not running:
                    return
                future = next(finished)
                task, attempt = running.pop(future)
                error = self._error_of(future)
                if error is not None and attempt < _ATTEMPTS:
                    self._submit(function, task, attempt + 1, running, finished)
                    continue
                result = None if error is not None else future.result()
                future.release()
                yield Outcome(task, result, error, attempt)
        finally:
            for future in running:
                with suppress(Exception):
                    future.cancel()

    def _submit(
        self,
        function: Callable[[Any], Any],
        task: Any,
        attempt: int,
        running: dict[Any, tuple[Any, int]],
        finished: Any,
    ) -> None:
        future = self._client.submit(function, task, pure=False, key=f"extract-{secrets.token_hex(8)}")
        running[future] = task, attempt
        finished.add(future)

    def _capacity(self) -> int:
        threads = int(sum(self._client.nthreads().values()))
        return max(1, threads) * _BATCHES_PER_WORKER

    @staticmethod
    def _error_of(future: Any) -> BaseException | None:
        from distributed import CancelledError

        try:
            error: BaseException | None = future.exception()
        except (CancelledError, TimeoutError, OSError) as problem:
            raise InputError(
                f"the Dask scheduler is gone ({problem}); finished particles are kept: when it is back, start again "
                "with resume=True",
                field="resume",
            ) from problem
        return error


@contextmanager
def connect(spec: str, options: Mapping[str, str], output_dir: str) -> Iterator[DaskExecutor]:
    """Give an executor on workers that are there, or are started and ended with it.

    Args:
        spec: Address of a scheduler (``tcp://host:port``), ``local:N`` or ``slurm``.
        options: Of SLURM jobs; see `parse_options`.
        output_dir: Folder that every worker must see.

    Raises:
        InputError: Nobody answers at the address, or workers do not fit: other versions, or another file system.
        SettingsError: The specification makes no sense, or Dask is not installed.
    """
    try:
        import distributed
    except ImportError as error:
        raise SettingsError(_PIP) from error
    make_client: Any = distributed.Client
    if options and spec != "slurm":
        raise SettingsError(
            f'options of jobs (dask_option) are for dask="slurm", not for dask="{spec}"', field=("dask_option", "dask")
        )
    with ExitStack() as stack:
        if "://" in spec:
            address: Any = spec
        else:
            address = stack.enter_context(_local_cluster(spec) if spec != "slurm" else _slurm_cluster(options))
        try:
            client = stack.enter_context(make_client(address, timeout=_CONNECT_SECONDS, set_as_default=False))
        except (OSError, TimeoutError) as error:
            raise InputError(f"no Dask scheduler answers at {spec} ({error}); check the address") from error
        if not client.nthreads() and spec != "slurm":
            raise InputError(f"the Dask scheduler at {spec} has no workers; start some with dask worker {spec}")
        if spec == "slurm":
            client.wait_for_workers(1)
        _check_workers(client, output_dir)
        yield DaskExecutor(client)


def parse_options(words: Iterable[str]) -> dict[str, str]:
    """Read ``key=value`` pairs, several of them separated by commas.

    Raises:
        SettingsError: A pair has no equal sign, or a key is not known.
    """
    options: dict[str, str] = {}
    for word in words:
        for pair in filter(None, word.split(",")):
            key, equals, value = pair.partition("=")
            if not equals or key not in _SLURM_OPTIONS:
                known = ", ".join(_SLURM_OPTIONS)
                raise SettingsError(
                    f"{pair} is no option of jobs (dask_option): expected key=value with a key among {known}",
                    field="dask_option",
                )
            options[key] = value
    return options


def slurm_script(options: Mapping[str, str]) -> str:
    """Give the script of the SLURM jobs that workers would run in."""
    with _slurm_cluster({**options, "jobs": "0"}) as cluster:
        script: str = cluster.job_script()
    return script


def _local_cluster(spec: str) -> Any:
    import distributed

    name, _, count = spec.partition(":")
    if name != "local" or not count.isdigit() or int(count) < 1:
        raise SettingsError(
            f"workers (dask) are {spec!r}: expected tcp://host:port, local:N with N processes, or slurm", field="dask"
        )
    folder = tempfile.mkdtemp(prefix="subtomo-dask-")
    make: Any = distributed.LocalCluster
    return make(
        n_workers=int(count),
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        local_directory=folder,
        memory_limit=0,
        silence_logs=50,
    )


def _slurm_cluster(options: Mapping[str, str]) -> Any:
    try:
        from dask_jobqueue.slurm import SLURMCluster
    except ImportError as error:
        raise SettingsError(_PIP) from error
    make: Any = SLURMCluster
    cores = int(options.get("cores", "1"))
    chosen = {key: options[key] for key in ("queue", "account", "walltime") if key in options}
    cluster = make(
        cores=cores,
        processes=int(options.get("processes", str(cores))),
        memory=options.get("memory", f"{2 * cores}GB"),
        job_extra_directives=["--export=ALL"],
        job_script_prologue=["export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1"],
        scheduler_options={"dashboard_address": ":0"},
        **chosen,
    )
    jobs = int(options.get("jobs", "1"))
    if jobs:
        cluster.scale(jobs=jobs)
    return cluster


def _check_workers(client: Any, output_dir: str) -> None:
    """Raise InputError if a worker has other versions, or does not see the output folder."""
    folder = Path(output_dir).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".subtomo-probe-{secrets.token_hex(6)}"
    probe.write_text("")
    try:
        answers = client.run(_look, str(probe))
    finally:
        probe.unlink(missing_ok=True)
    mine = __version__
    for worker, (found, theirs) in answers.items():
        if theirs != mine:
            raise InputError(
                f"Dask worker {worker} has subtomo {theirs}, but {mine} runs here; install the same version"
            )
        if not found:
            raise InputError(
                f"Dask worker {worker} does not see the output folder {folder}; use a folder on a file system that all "
                "workers share"
            )


def _look(probe: str) -> tuple[bool, str]:
    """Run on every worker: look for the probe file."""
    return os.path.exists(probe), __version__
