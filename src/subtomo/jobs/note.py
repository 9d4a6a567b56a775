"""The note that RELION's programs leave in their output folders."""

from __future__ import annotations

from subtomo.io.atomic import atomic_write


def write_note(folder: str, command: tuple[str, ...]) -> None:
    """Leave the command line in the folder, as RELION's programs do."""
    text = "Command:\n\n" + "".join(f"{word} " for word in command) + "\n"
    with atomic_write(folder + "note.txt") as stream:
        stream.write(text.encode("utf-8", "backslashreplace"))
