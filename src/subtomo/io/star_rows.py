"""Split the rows of a STAR table into tokens with gemmi, wherever CIF and RELION differ by RELION's rules.

A token that begins with a quote extends to the same quote followed by a blank or the end of the line, one that
begins with ``#`` ends the line, and all else that stands between blanks is a token, be it a keyword of CIF or not
(spec/conventions.md §1.1).
"""

from __future__ import annotations

import re

import numpy as np
from gemmi import cif
from numpy.typing import NDArray

# Ends each row handed to gemmi, which counts values but not lines: a row too long or too short displaces it.
_ROW_END = "~end~of~row~"
_QUOTED = rb"\"[^\n]*?\"(?![^ \t\n])|'[^\n]*?'(?![^ \t\n])"
_PLAIN = rb"[^ \t\n\"'#][^ \t\n]*"
# An open quote takes the rest of its line: a search for the end of every further one would take quadratic time.
_TOKEN = re.compile(rb"(?:%s)|#[^\n]*|%s|[\"'][^\n]*" % (_QUOTED, _PLAIN))
_WITHOUT_OPEN_QUOTE = re.compile(rb"(?:%s|#[^\n]*|%s|[ \t\n]+)*+" % (_QUOTED, _PLAIN))
# Without these a chunk has no token that gemmi silently reads otherwise than RELION: other differences make it fail.
_SUSPECT = (b'"', b"'", b"#", b";")
_SPECIAL = re.compile(
    rb"(?<![^ \t\n])(?:(?P<quoted>%s)|(?P<comment>#[^\n]*)"
    rb"|(?P<plain>(?:[\"'_$;]|(?i:data_|loop_|save_|stop_|global_))[^ \t\n]*|[!-~]*[\x80-\xff][^ \t\n]*))" % _QUOTED
)


_LONGEST = 256
"""Characters of a token up to which columns are cut out at once; longer ones are rare, and would waste memory."""


def split_columns(body: bytes, n_labels: int) -> list[NDArray[np.bytes_]] | None:
    """Cut the lines of a loop at their blanks into columns of tokens, which nearly all tables allow.

    Returns:
        n_labels arrays (n_rows,); None if lines must be looked at more closely: they hold quotes, comments or
        characters beyond ASCII, or have another number of tokens.
    """
    if not body or not body.isascii() or any(mark in body for mark in _SUSPECT):
        return None
    characters = np.frombuffer(body, np.uint8)
    is_blank = np.ones(len(body) + 2, np.bool_)
    np.less_equal(characters, ord(" "), out=is_blank[1:-1])
    edges = np.flatnonzero(is_blank[1:] != is_blank[:-1])
    breaks = np.flatnonzero(characters == ord("\n"))
    if len(edges) != 2 * n_labels * (len(breaks) + 1):
        return None
    tokens = edges.reshape(-1, n_labels, 2)
    begins, lengths = tokens[..., 0], tokens[..., 1] - tokens[..., 0]
    # every line break stands between the last token of a row and the first of the next
    if (breaks < tokens[:-1, -1, 1]).any() or (breaks >= tokens[1:, 0, 0]).any() or lengths.max() > _LONGEST:
        return None
    padded = np.concatenate([characters, np.zeros(_LONGEST, np.uint8)])
    return [_cut(padded, begins[:, label], lengths[:, label]) for label in range(n_labels)]


def _cut(characters: NDArray[np.uint8], begins: NDArray[np.intp], lengths: NDArray[np.intp]) -> NDArray[np.bytes_]:
    """Cut tokens (n,) out of the characters of a text."""
    longest, shortest = int(lengths.max()), int(lengths.min())
    windows = np.lib.stride_tricks.sliding_window_view(characters, longest)
    tokens = windows[begins]
    for place in range(shortest, longest):
        tokens[lengths <= place, place] = 0
    return tokens.view(f"S{longest}")[:, 0]


def split_rows(body: bytes, n_labels: int) -> list[str] | None:
    """Split the lines of a loop into tokens.

    Returns:
        For each row its n_labels tokens and one mark of the row's end; None if a row has another number of tokens or an
        open quote.
    """
    if not any(mark in body for mark in _SUSPECT):
        values = _split(body, n_labels)
        if values is not None:
            return values
    sound = _WITHOUT_OPEN_QUOTE.match(body)
    if sound is None or sound.end() < len(body):
        return None
    rows = _SPECIAL.sub(_shielded, body).split(b"\n")
    values = _split(b"\n".join(row for row in rows if row.strip()), n_labels)
    return None if values is None else [unquoted(value) for value in values]


def split_line(line: bytes) -> list[bytes]:
    """Split one line into tokens, quotes included, without its comment; a quote that is never closed is the last."""
    tokens: list[bytes] = [token for token in _TOKEN.findall(line) if not token.startswith(b"#")]
    if tokens and is_open_quote(tokens[-1]):
        tokens[-1] = tokens[-1].split(maxsplit=1)[0]
    return tokens


def is_open_quote(token: bytes) -> bool:
    """Tell whether a token begins with a quote that is never closed."""
    return token[:1] in (b"'", b'"') and (len(token) < 2 or token[-1:] != token[:1])


def unquoted(token: str) -> str:
    """Strip the quotes of a quoted token."""
    return token[1:-1] if token[:1] in ("'", '"') else token


def _split(body: bytes, n_labels: int) -> list[str] | None:
    """Let gemmi split rows; None if CIF reads them differently or a row has not n_labels tokens."""
    if not body:
        return []
    rows = body.replace(b"\n", b" %s\n" % _ROW_END.encode())
    header = "".join(f"_{index}\n" for index in range(n_labels + 1))
    text = b"data_\nloop_\n%s%s %s\n" % (header.encode(), rows, _ROW_END.encode())
    try:
        items = list(cif.read_string(text, check_level=0).sole_block())
    except (ValueError, RuntimeError):
        return None
    values: list[str] = items[0].loop.values
    row_ends = values[n_labels :: n_labels + 1]
    whole = len(items) == 1 and len(row_ends) == body.count(b"\n") + 1 and set(row_ends) == {_ROW_END}
    return values if whole else None


def _shielded(match: re.Match[bytes]) -> bytes:
    """Quote a token that CIF would take for a keyword, a label or a text block; drop a comment."""
    if match["comment"] is not None:
        return b""
    return match["quoted"] if match["quoted"] is not None else b'"%s"' % match["plain"]
