"""Lists and names in messages: short, harmless in a terminal, and with the nearest name where one is wrong."""

from __future__ import annotations

import difflib
import json
import os
import re
import sys
import unicodedata
from collections.abc import Iterable
from itertools import islice
from typing import Any

SHOWN = 5
"""Names that a list in a message has at most."""
_COMPARED = 10_000
_LONGEST = 120


def listed(names: Iterable[object], most: int = SHOWN) -> str:
    """List a few names and say how many more there are."""
    texts = list(names)
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(shown(str(text)) for text in texts[:most]) + more


def shown(text: str) -> str:
    """Give a text of a file as it can be printed: what is invisible by its codes, and not longer than a line."""
    cut = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."
    return printable(cut).replace("\n", "\\n")


def printable(text: str) -> str:
    """Show what a terminal would obey or hide by its code: names come from files."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]"
)
"""What browsers obey or hide: control characters, blanks of no width, marks of direction, halves of characters."""


def visible(text: str) -> str:
    """Show what a browser would obey or hide by its codes; line ends, tabs and blanks of a width stay."""
    return _HIDDEN.sub(lambda match: ascii(match[0])[1:-1], text)


def as_json(plain: Any) -> str:
    """Write plain values as JSON to be read by people, too: what is invisible stands there by its codes."""
    text = json.dumps(plain, indent=2, ensure_ascii=False)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def invisible(text: str) -> str | None:
    """Name the first character that a terminal would obey or hide, or give None.

    These are control characters (C0, C1), marks of direction, blanks of no width, and separators of lines.
    """
    if text.isprintable():
        return None
    character = next(c for c in text if not c.isprintable())
    code = f"U+{ord(character):04X}"
    name = unicodedata.name(character, "a control character" if unicodedata.category(character) == "Cc" else "")
    return f"{code} ({name.lower()})" if name else code


def unencodable(name: str) -> str | None:
    """Say why a name cannot be one of a file in the present locale, with the way out; None if it can."""
    way = "run with LC_ALL=C.UTF-8 or PYTHONUTF8=1"
    if any("\ud800" <= character <= "\udfff" for character in name):
        return f"was given in bytes that the present locale ({sys.getfilesystemencoding()}) cannot read; {way}"
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return f"has characters that the present locale ({sys.getfilesystemencoding()}) cannot write; {way}"
    return None


def in_bytes(count: int) -> str:
    """Put a number of bytes into words."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count / 1000:.1f} kB"


def nearest(name: str, known: Iterable[str]) -> str:
    """Suggest the known name that is most like a wrong one: ``, did you mean TS_01?``, or nothing."""
    some = dict.fromkeys(islice(known, _COMPARED))
    folded = {candidate.casefold(): candidate for candidate in some if candidate != name}
    if len(name) > _LONGEST:
        return ""
    found = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.75)
    return f", did you mean {shown(folded[found[0]])}?" if found else ""
