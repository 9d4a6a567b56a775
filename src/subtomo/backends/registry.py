"""Backends by name: those of this package, those that other packages offer, and those that a program registers.

Another package offers a backend by an entry point of the group ``subtomo.backends``, whose name is the backend's and
whose object is a class of the form of `subtomo.backends.protocol.Backend`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points

from subtomo.backends.protocol import Backend
from subtomo.errors import SettingsError

GROUP = "subtomo.backends"

_BUILT_IN = {"cpu": "subtomo.backends.cpu:CpuBackend", "reference": "subtomo.backends.reference:ReferenceBackend"}
_registered: dict[str, type[Backend]] = {}


def register_backend(name: str, backend: type[Backend]) -> None:
    """Offer a backend under a name, in this process; it replaces one of the same name."""
    _registered[name] = backend


def get_backend(name: str) -> type[Backend]:
    """Find a backend by its name, importing it only now.

    Raises:
        SettingsError: There is none of this name.
    """
    backend: type[Backend]
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
