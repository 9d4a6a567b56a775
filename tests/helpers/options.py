"""What users of the command line read of an error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from subtomo.cli.field_names import explained, option_names, options_by_field
from subtomo.cli.pages import groups_of
from subtomo.errors import SettingsError, SubtomoError


def on_the_command_line(problem: SubtomoError, command: str = "extract") -> str:
    """Give an error's message as a command prints it."""
    token = option_names.set(options_by_field(*groups_of(command)))
    try:
        return explained(problem)
    finally:
        option_names.reset(token)


@contextmanager
def refused(pattern: str, command: str = "extract") -> Iterator[None]:
    """Expect a SettingsError whose message on the command line matches a pattern."""
    with pytest.raises(SettingsError) as caught:
        yield
    text = on_the_command_line(caught.value, command)
    assert re.search(pattern, text), text
