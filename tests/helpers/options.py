"""What users of the command line read of an error."""

from __future__ import annotations

from subtomo.cli import app
from subtomo.cli.field_names import explained, option_names, options_by_field
from subtomo.errors import SubtomoError


def on_the_command_line(problem: SubtomoError, command: str = "extract") -> str:
    """Give an error's message as a command prints it."""
    token = option_names.set(options_by_field(*app.GROUPS[command]))
    try:
        return explained(problem)
    finally:
        option_names.reset(token)
