"""How nouns show themselves: one or two lines at a prompt, a table of facts and pictures in a notebook."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PANEL_PX, _GAP_PX = 168, 3
_CELL = "text-align:left;padding:1px 1em 1px 0;vertical-align:top"
_CUT = 88


class Shown:
    """A noun that shows itself by a few facts, never by its arrays."""

    def _facts(self) -> list[tuple[str, Any]]:
        """Give what is worth knowing, the most important first: name and value."""
        raise NotImplementedError

    def _pictures(self) -> list[tuple[str, bytes]]:
        """Give captions and the bytes of PNG or SVG files for notebooks."""
        return []

    def __repr__(self) -> str:
        """Say in one or two lines what it is."""
        facts = [f"{name} {text}".strip() for name, value in self._facts() if (text := _text(value))]
        text = "; ".join(fact if len(fact) <= _CUT else fact[: _CUT - 1] + "…" for fact in facts)
        return f"<{type(self).__name__}: {text}>"

    def _repr_html_(self) -> str:
        """Show the facts as a table, with pictures below it where there are any."""
        rows = "".join(
            f'<tr><td style="{_CELL}">{html.escape(name)}</td><td style="{_CELL}">{html.escape(text)}</td></tr>'
            for name, value in self._facts()
            if (text := _text(value))
        )
        pictures = "".join(map(_figure, self._pictures()))
        return f"<div><strong>{type(self).__name__}</strong><table>{rows}</table>{pictures}</div>"


def _text(value: Any) -> str:
    """Put a value into a line; nothing is said of what is None or empty."""
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else " ".join(str(value).split())


def _figure(picture: tuple[str, bytes]) -> str:
    caption, content = picture
    kind = "svg+xml" if content.lstrip().startswith(b"<svg") else "png"
    source = base64.b64encode(content).decode("ascii")
    words = html.escape(caption)
    return (
        f'<figure style="margin:.5em 0"><img alt="{words}" style="max-width:100%" '
        f'src="data:image/{kind};base64,{source}">'
        f"<figcaption>{words}</figcaption></figure>"
    )


def central_sections(volume: NDArray[np.floating]) -> bytes:
    """Draw the central sections x y, x z and y z of a volume (c, c, c), each with its own contrast, as PNG."""
    middle = len(volume) // 2
    return panels([volume[middle], volume[:, middle], volume[:, :, middle]])


def central_planes(half: NDArray[np.floating]) -> bytes:
    """Draw the planes x y, x z and y z through the origin of a half transform (c, c, c // 2 + 1), as PNG."""
    shifted = np.fft.fftshift(half, axes=(0, 1))
    middle = len(half) // 2
    return panels([_whole(shifted[middle]), _whole(shifted[:, middle]), shifted[:, :, 0]])


def panels(images: Sequence[NDArray[np.floating]]) -> bytes:
    """Draw images (rows, columns) of one size side by side, their first row at the bottom, as PNG."""
    from PIL import Image

    sheet = Image.new("L", (len(images) * (_PANEL_PX + _GAP_PX) - _GAP_PX, _PANEL_PX), 255)
    for number, image in enumerate(images):
        panel = Image.fromarray(_grey(image)[::-1]).resize((_PANEL_PX, _PANEL_PX), Image.Resampling.BICUBIC)
        sheet.paste(panel, (number * (_PANEL_PX + _GAP_PX), 0))
    stream = io.BytesIO()
    sheet.save(stream, format="png")
    return stream.getvalue()


def _grey(image: NDArray[np.floating]) -> NDArray[np.uint8]:
    finite = image[np.isfinite(image)]
    low, high = np.percentile(finite, (1.0, 99.8)) if finite.size else (0.0, 0.0)
    values = np.nan_to_num(image, nan=low, posinf=high, neginf=low)
    return np.asarray(255 * np.clip((values - low) / max(high - low, 1e-30), 0, 1), np.uint8)


def _whole(half: NDArray[np.floating]) -> NDArray[np.floating]:
    """Complete a plane (c, c // 2 + 1), whose first axis is centred, by what Friedel's law says of the other half."""
    mirrored = np.roll(half[::-1], 1, axis=0)[:, -1:0:-1]
    return np.concatenate([mirrored, half[:, :-1]], axis=1)
