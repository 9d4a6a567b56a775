"""Backends by name: those of this package, those that other packages offer, and those that a program registers.

Another package offers a backend by an entry point of the group ``subtomo.backends``, whose name is the backend's and
whose object is a class of the form of `subtomo.backends.protocol.Backend`, from which come the verbs of volumes and of
alignment, too.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points

from subtomo.backends.alignment import AlignmentBackend
from subtomo.backends.protocol import AnyBackend
from subtomo.backends.volumes import AnyVolumeBackend
from subtomo.errors import SettingsError

GROUP = "subtomo.backends"
DEFAULT = "cpu"
"""The backend of everything for which nobody chooses one."""

_BUILT_IN = {"cpu": "subtomo.backends.cpu:CpuBackend", "reference": "subtomo.backends.reference:ReferenceBackend"}
_registered: dict[str, type[AnyBackend]] = {}


def register_backend(name: str, backend: type[AnyBackend]) -> None:
    """Offer a backend under a name, in this process; it replaces one of the same name."""
    _registered[name] = backend


def get_backend(name: str) -> type[AnyBackend]:
    """Find a backend by its name, importing it only now.

    Raises:
        SettingsError: There is none of this name.
    """
    backend: type[AnyBackend]
    if name in _registered:
        return _registered[name]
    if name in _BUILT_IN:
        module, _, attribute = _BUILT_IN[name].partition(":")
        backend = getattr(import_module(module), attribute)
        return backend
    offered = entry_points(group=GROUP)
    if name not in offered.names:
        known = ", ".join(dict.fromkeys((*_BUILT_IN, *_registered, *sorted(offered.names))))
        raise SettingsError(f"there is no backend {name!r} (backend), only {known}", field="backend")
    backend = offered[name].load()
    return backend


def volume_backend(name: str = DEFAULT) -> AnyVolumeBackend:
    """Give the verbs of volumes of a backend; threads may share them.

    Raises:
        SettingsError: There is none of this name.
    """
    return get_backend(name).volumes()


def alignment_backend(name: str = DEFAULT) -> AlignmentBackend:
    """Give the verbs of alignment of a backend, for one thread.

    Raises:
        SettingsError: There is none of this name.
    """
    return get_backend(name).alignment()
