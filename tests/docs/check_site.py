"""Find what a built site would ask of the network: ``python -m tests.docs.check_site site``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

_LOADED = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\ssrc\s*=\s*[\"']?((?:https?:)?//[^\"'\s>]+)"
    r"|<link\b[^>]*?\shref\s*=\s*[\"']?((?:https?:)?//[^\"'\s>]+)"
    r"|@import\s+(?:url\()?[\"']?((?:https?:)?//[^\"')\s]+)"
    r"|url\(\s*[\"']?((?:https?:)?//[^\"')\s]+)",
    re.IGNORECASE,
)
_PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")


def outside_requests(site: Path) -> list[str]:
    """List scripts, styles, fonts and pictures from elsewhere, as page and address."""
    pages = sorted(path for suffix in ("html", "css") for path in site.rglob(f"*.{suffix}"))
    return [
        f"{path.relative_to(site)}: {next(filter(None, match.groups()))}"
        for path in pages
        for match in _LOADED.finditer(path.read_text(encoding="utf-8"))
    ]


def pictures(page: str) -> list[tuple[str, str]]:
    """List the pictures of a Markdown page: file and the text in its place."""
    return [(link, caption) for caption, link in _PICTURE.findall(page)]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    if not (folder / "index.html").is_file():
        sys.exit(f"{folder} holds no site")
    if problems := outside_requests(folder):
        sys.exit("the site asks for the network:\n" + "\n".join(problems))
