"""Make batches of particles on Dask workers: an existing scheduler, processes of this machine, or SLURM jobs.

Dask is imported when it is asked for.
"""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from subtomo.errors import InputError, SettingsError
from subtomo.jobs.dask_executor import DaskExecutor, Workers, scheduler_gone
from subtomo.jobs.dask_workers import refuse_other_workers

__all__ = ["DaskExecutor", "connect", "parse_options", "slurm_script"]

_CONNECT_SECONDS = 15
_GREETING_SECONDS = 5
_LONGEST_GREETING = 1 << 20
_QUEUE_SECONDS = 7 * 86_400.0
"""How long a job may wait in SLURM's queue."""
_SCHEMES = ("tcp", "tls", "ucx", "ws", "wss")
_SLURM_OPTIONS = ("queue", "account", "cores", "memory", "walltime", "processes", "jobs", "dry_run")
_PIP = "Dask is not installed; pip install 'subtomo[dask]'"
_LOUD = ("distributed", "tornado", "asyncio")
"""What logs whole tracebacks when a worker or a scheduler ends, of which the run tells in a line."""


@contextmanager
def connect(
    spec: str, options: Mapping[str, str], output_dir: str, tell: Callable[[str], None] = lambda message: None
) -> Iterator[DaskExecutor]:
    """Give an executor on workers that are there, or are started and ended with it.

    Args:
        spec: Address of a scheduler (``tcp://host:port``), ``local:N`` or ``slurm``.
        options: Of SLURM jobs; see `parse_options`.
        output_dir: Folder that every worker must see.
        tell: Hears what the user should know while the run waits.

    Raises:
        InputError: Nobody answers at the address, there are no workers for long, or they do not fit: other versions, or
            another file system.
        SettingsError: The specification makes no sense, Dask is not installed, or SLURM is not there.
    """
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise SettingsError(_PIP) from error
    if options and spec != "slurm":
        raise SettingsError(
            f'options of jobs (dask_option) are for dask="slurm", not for dask="{spec}"', field=("dask_option", "dask")
        )
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        address = spec
        if "://" in spec:
            _check_address(spec)
            _check_greeting(spec)
        else:
            address = stack.enter_context(_local_cluster(spec) if spec != "slurm" else _started_slurm_cluster(options))
        client = _client(address, spec)
        stack.callback(_close, client)
        workers = Workers(client, tell, _QUEUE_SECONDS if spec == "slurm" else None)
        if spec == "slurm":
            workers.wait_for_one()
        elif not workers.n_threads():
            raise InputError(f"the Dask scheduler at {spec} has no workers; start some with dask worker {spec}")
        try:
            refuse_other_workers(client, output_dir)
        except (OSError, TimeoutError) as problem:
            raise scheduler_gone(problem) from problem
        yield DaskExecutor(client, output_dir, workers)


def _check_address(spec: str) -> None:
    """Raise SettingsError for what cannot be the address of a scheduler."""
    try:
        parts = urlsplit(spec)
        is_whole = parts.scheme in _SCHEMES and bool(parts.hostname and parts.port) and parts.path in ("", "/")
    except ValueError:
        is_whole = False
    if not (is_whole or spec.startswith("inproc://")):
        raise SettingsError(
            f"the address of a Dask scheduler (dask) is {spec!r}: expected tcp://host:port, such as "
            "tcp://10.0.0.1:8786, which dask scheduler prints when it starts",
            field="dask",
        )


def _check_greeting(spec: str) -> None:
    """Raise InputError if something else answers at an address: Dask would take its words for a length, and hang."""
    parts = urlsplit(spec)
    if parts.scheme != "tcp":
        return
    with suppress(OSError), socket.create_connection((parts.hostname, parts.port), _GREETING_SECONDS) as connection:
        # the first message of either side begins with its length in bytes
        first = connection.recv(8, socket.MSG_WAITALL)
        if len(first) == 8 and int.from_bytes(first, "little") > _LONGEST_GREETING:
            raise InputError(f"what answers at {spec} is no Dask scheduler; check the address")


def _client(address: Any, spec: str) -> Any:
    """Connect to a scheduler."""
    import distributed

    make: Any = distributed.Client
    try:
        with warnings.catch_warnings():
            # versions are compared afterwards, and refused if they differ
            warnings.simplefilter("ignore")
            return make(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError, RuntimeError, ImportError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"no Dask scheduler answers at {spec} ({reason}); check the address") from error


def _close(client: Any) -> None:
    """Leave a scheduler, which may be gone."""
    with suppress(Exception):
        client.close(timeout=5)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from logging tracebacks of what is reported in a line."""
    logging.getLogger("distributed")
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in _LOUD]
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


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


def _started_slurm_cluster(options: Mapping[str, str]) -> Any:
    """Submit the jobs of a SLURM cluster.

    Raises:
        InputError: SLURM refuses them.
        SettingsError: There is no SLURM here.
    """
    if shutil.which("sbatch") is None:
        raise SettingsError(
            'dask="slurm" needs the program sbatch, which is not found here; run where SLURM jobs are submitted, or '
            "take local:N for N processes of this machine",
            field="dask",
        )
    # jobs are submitted in the background, where nobody hears of errors
    trial = subprocess.run(["sbatch", "--test-only"], input=slurm_script(options), capture_output=True, text=True)
    if trial.returncode:
        reason = " ".join((trial.stderr or trial.stdout).split())
        raise InputError(
            f"SLURM does not take the jobs of the workers ({reason}); correct the options of jobs (dask_option)",
            field="dask_option",
        )
    return _slurm_cluster(options)


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
