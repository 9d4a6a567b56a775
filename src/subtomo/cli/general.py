"""Commands about the command itself, such as ``version`` and ``help``."""

from __future__ import annotations

import platform
import re
from typing import Annotated, Literal

from cyclopts import App, Parameter

from subtomo.cli.help import help_text
from subtomo.cli.pages import COMMANDS, FAMILIES, GENERAL, PAGES
from subtomo.cli.stand_in import stand_in
from subtomo.errors import SettingsError
from subtomo.version import __version__


def add_general_commands(app: App) -> None:
    """Add the commands about the command."""
    app.command(stand_in, name="stand-in")

    @app.command
    def version() -> None:
        """Tell the versions of the program and of Python."""
        print(f"subtomo {__version__}, Python {platform.python_version()}")

    @app.command(name="help")
    def help_(command: Annotated[str, Parameter(help="A command; without it, all are listed.")] = "", /) -> None:
        """Show the help of a command."""
        if command in PAGES:
            print(help_text(command, PAGES[command], full=False))
        elif command and command not in (*FAMILIES, *GENERAL):
            commands = ", ".join((*COMMANDS, *GENERAL))
            raise SettingsError(f"there is no command {command!r}; commands are {commands}")
        else:
            app.help_print([command] if command else [])

    @app.command
    def completion(
        shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(help="The shell that is to complete.")], /
    ) -> None:
        """Print a script that lets a shell complete commands, options and names of files.

        For bash: source <(subtomo completion bash)
        """
        print(completion_script(app, shell))


def completion_script(app: App, shell: Literal["bash", "zsh", "fish"]) -> str:
    """Make the script for a shell; where an option takes a value, names of files are offered besides choices."""
    script = app.generate_completion(shell=shell)
    if shell == "bash":
        return script.replace("\ncomplete -F", "\ncomplete -o bashdefault -o default -F")
    if shell == "zsh":
        return re.sub(r":([\w-]+)'( \\)?$", r":\1:_files'\2", script, flags=re.MULTILINE)
    return script
