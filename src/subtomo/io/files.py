"""What a name in a STAR file or a command stands for, and whether it can be opened without waiting for ever."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from subtomo.errors import InputError


def require_regular(path: str | os.PathLike[str]) -> None:
    """Refuse pipes, devices and sockets: reading them may never end.

    Raises:
        InputError: The name belongs to one of these. A name that belongs to nothing is left to whoever opens it.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return
    kinds = {stat.S_ISFIFO: "a pipe", stat.S_ISCHR: "a device", stat.S_ISBLK: "a device", stat.S_ISSOCK: "a socket"}
    for is_kind, kind in kinds.items():
        if is_kind(mode):
            raise InputError(f"{path}: is no regular file but {kind}; name a file")


def without_format(name: str) -> tuple[str, str]:
    """Take the format hint off a name, as RELION does: what follows the last colon of its last part.

    ``TS_1.ali:mrcs`` is the file ``TS_1.ali``, read as ``mrcs``. A file that has a colon in its name keeps it.

    Returns:
        The name of the file, and the hint or "".
    """
    head, colon, hint = name.rpartition(":")
    if not colon or not head or "/" in hint or not hint.isalnum() or Path(name).exists():
        return name, ""
    return head, hint.lower()
