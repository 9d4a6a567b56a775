"""Whether Dask workers fit a run: the same versions as here, and the same files."""

from __future__ import annotations

import os
import pickle
import platform
import secrets
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from subtomo.errors import InputError

_COMPARED = ("subtomo", "numpy", "numba")
"""Packages whose version decides on the voxels, or on whether what travels can be read."""
_NO_PACKAGE = "none"


def versions_here() -> dict[str, str]:
    """Give the versions that must be the same wherever particles of a run are made."""
    return {"Python": _minor(platform.python_version()), **_look_for()(_COMPARED, "")[0]}


class CheckedFunction:
    """A function that is run only where the versions are those of the place where it comes from.

    What travels needs nothing of this package, so that a worker without it, or with another, can say so.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function, self._mine = function, versions_here()
        self.remote = _call_for()

    def packed(self, task: Any) -> tuple[bytes, tuple[str, ...], dict[str, str]]:
        """Give the arguments of `remote` for a task."""
        wanted = {name: self._mine[name] for name in _COMPARED}
        return pickle.dumps((self._function, task)), _COMPARED, wanted

    def unpacked(self, answer: tuple[bool, Any]) -> Any:
        """Give the result of what `remote` returned.

        Raises:
            InputError: The worker has other versions.
        """
        has_run, value = answer
        if not has_run:
            raise InputError(f"a Dask worker has {_differing(self._mine, value)}; install the same version")
        return value


def refuse_other_workers(client: Any, output_dir: str | None) -> None:
    """Raise InputError if a worker has other versions, or does not see the output folder.

    Args:
        client: A ``distributed.Client``.
        output_dir: The folder, which is made if it is not there; None to compare versions only.
    """
    mine = versions_here()
    # what is run on a worker of another Python may end it, so that is asked for first, by Dask's own means
    found: Mapping[str, Any] = client.get_versions()["workers"]
    for worker, answer in found.items():
        python = str(((answer or {}).get("packages") or {}).get("python", mine["Python"]))
        if _minor(python) != mine["Python"]:
            raise _other_version(worker, _differing(mine, {"Python": _minor(python)}))
    with _Probe(output_dir) as probe:
        answers: Mapping[str, Any] = client.run(_look_for(), _COMPARED, probe.path, on_error="return")
    for worker, answer in answers.items():
        if isinstance(answer, OSError):
            continue  # it has just ended
        if isinstance(answer, BaseException):
            raise InputError(f"Dask worker {worker} does not work: {type(answer).__name__}: {answer}; start another")
        theirs, sees = answer
        if wrong := _differing(mine, theirs):
            raise _other_version(worker, wrong)
        if not sees:
            raise InputError(
                f"Dask worker {worker} does not see the output folder {probe.folder}; use a folder on a file system "
                "that all workers share"
            )


def _other_version(worker: str, wrong: str) -> InputError:
    return InputError(f"Dask worker {worker} has {wrong}; install the same version")


def _differing(mine: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """Say what another place has that differs; empty if nothing does."""
    return ", ".join(
        f"no {name}, but {here} runs here" if there == _NO_PACKAGE else f"{name} {there}, but {here} runs here"
        for name, there in theirs.items()
        if (here := mine.get(name, there)) != there
    )


def _minor(python: str) -> str:
    return ".".join(python.split(".")[:2])


def _look_for() -> Callable[[tuple[str, ...], str], tuple[dict[str, str], bool]]:
    """Make a function that travels with its code, so that it also runs on a worker without this package."""
    missing, load, exists = _NO_PACKAGE, import_module, os.path.exists

    def look(packages: tuple[str, ...], probe: str) -> tuple[dict[str, str], bool]:
        found = {}
        for name in packages:
            try:
                found[name] = str(load(name).__version__)
            except Exception:
                found[name] = missing
        return found, not probe or exists(probe)

    return look


def _call_for() -> Callable[[bytes, tuple[str, ...], dict[str, str]], tuple[bool, Any]]:
    """Make a function that travels as that of `_look_for` does, and runs another one where the versions fit."""
    look, load = _look_for(), pickle.loads

    def call(packed: bytes, packages: tuple[str, ...], wanted: dict[str, str]) -> tuple[bool, Any]:
        theirs, _ = look(packages, "")
        if theirs != wanted:
            return False, theirs
        function, task = load(packed)
        return True, function(task)

    return call


class _Probe:
    """A file in the output folder that every worker must see."""

    def __init__(self, output_dir: str | None) -> None:
        self.folder = None if output_dir is None else Path(output_dir).resolve()
        self._file: Path | None = None

    @property
    def path(self) -> str:
        return "" if self._file is None else str(self._file)

    def __enter__(self) -> _Probe:
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = self.folder / f".subtomo-probe-{secrets.token_hex(6)}"
            self._file.write_text("")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.unlink(missing_ok=True)
