"""Two verbs are called as rooms of the package are; both meanings of the name must hold."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TypeVar

Verb = TypeVar("Verb", bound=Callable[..., object])


def shares_name_with_room(verb: Verb) -> Verb:
    """Let a function have the modules of the room of its name as attributes: ``subtomo.report.page`` stays a module."""
    room = import_module(f"subtomo.{verb.__name__}")
    # one dictionary, since modules of the room may be imported later
    setattr(verb, "__dict__", vars(room))  # noqa: B010 - the type of functions hides that it can be set
    return verb
