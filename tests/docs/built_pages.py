"""What a reader of a built page would copy from it: its code blocks, as a browser shows them."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

COMMANDS = ("subtomo ", "python ", "make ")
PROMPT = ">>> "


@dataclass(frozen=True)
class Block:
    """One code block: its text and, if the page says so, its language."""

    text: str
    language: str

    @property
    def commands(self) -> list[str]:
        """Command lines, continued ones joined; none for Python, and for what a program prints."""
        if self.language not in ("", "sh", "bash"):
            return []
        lines = (line.split(" #")[0].strip() for line in self.text.replace("\\\n", " ").splitlines())
        return [" ".join(line.split()) for line in lines if line.startswith(COMMANDS)]

    @property
    def is_python(self) -> bool:
        return self.language == "python" and not self.text.startswith(PROMPT)


class _Blocks(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Block] = []
        self._language = ""
        self._text: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        classes = (dict(attrs).get("class") or "").split()
        if "highlight" in classes:
            self._language = next((name.removeprefix("language-") for name in classes if "language-" in name), "")
        if tag == "pre":
            self._text = []

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "pre" and self._text is not None:
            language = self._language if self._language != "text" else ""
            self.found.append(Block("".join(self._text).strip("\n"), language))
            self._text = None


def blocks(page: Path) -> list[Block]:
    """List the code blocks of a built page, in order."""
    parser = _Blocks()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser.found
