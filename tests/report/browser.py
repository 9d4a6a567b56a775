"""A headless Chromium, driven by its DevTools protocol over a pipe."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_SECONDS = 60.0
WORDS_OUTSIDE_CHARTS = """[...document.querySelectorAll('svg.chart')].flatMap(chart => {
    const frame = chart.getBoundingClientRect();
    return [...chart.querySelectorAll('text')].filter(text => {
        const box = text.getBoundingClientRect();
        return box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1;
    }).map(text => text.textContent)})"""
"""Script that lists words of charts that are cut off."""


def find_browser() -> str | None:
    """Find a Chromium; None if there is none."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    """One page in a browser. The protocol: https://chromedevtools.github.io/devtools-protocol."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._buffer, self._number = b"", 0
        self._session = ""
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method and wait for its answer; events that come first are kept."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        raw = json.dumps(message).encode() + b"\0"
        while raw:
            raw = raw[os.write(self._to, raw) :]
        while True:
            answer = self._receive()
            if answer.get("id") != self._number:
                self.events.append(answer)
                continue
            if "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']}")
            result: dict[str, Any] = answer["result"]
            return result

    def open(self, page: Path, *, width: int, dark: bool = False) -> None:
        """Load a page and wait until it is whole."""
        self.events.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=page.as_uri())
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            assert time.monotonic() < deadline, "the page is never whole"
            self.events.append(self._receive())
        self.evaluate("Promise.all([...document.images].map(i => i.decode().catch(() => null)))")

    def evaluate(self, script: str) -> Any:
        """Run a script in the page and give its value."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def place(self, selector: str) -> tuple[float, float]:
        """Give the middle of an element in the window, in pixels."""
        box = f"document.querySelector({selector!r}).getBoundingClientRect()"
        script = f"(box => [box.x + box.width / 2, box.y + box.height / 2])({box})"
        x, y = self.evaluate(script)
        return x, y

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """Move, press (with `buttons`) or release the mouse at a place in the window."""
        names = {"move": "mouseMoved", "press": "mousePressed", "release": "mouseReleased", "wheel": "mouseWheel"}
        button = "left" if kind in ("press", "release") or more.get("buttons") else "none"
        clicks = 1 if kind in ("press", "release") else 0
        self.call("Input.dispatchMouseEvent", type=names[kind], x=x, y=y, button=button, clickCount=clicks, **more)

    def click(self, selector: str) -> None:
        """Click on the middle of an element, which must be in sight."""
        x, y = self.place(selector)
        self.mouse("press", x, y)
        self.mouse("release", x, y)

    def drag(self, selector: str, across: float, down: float, *, steps: int = 8) -> None:
        """Press in the middle of an element, which must be in sight, and move the mouse before releasing it."""
        x, y = self.place(selector)
        self.mouse("move", x, y)
        self.mouse("press", x, y, buttons=1)
        for step in range(1, steps + 1):
            self.mouse("move", x + across * step / steps, y + down * step / steps, buttons=1)
            self.evaluate("new Promise(requestAnimationFrame)")
        self.mouse("release", x + across, y + down)

    def requests(self) -> list[str]:
        """List what the page asked for, as addresses."""
        return [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        """List errors and warnings in the browser's log, but for those of its own drawing by the processor."""
        entries = [event["params"]["entry"] for event in self.events if event.get("method") == "Log.entryAdded"]
        texts = [entry["text"] for entry in entries if entry["level"] in ("error", "warning")]
        return [text for text in texts if "GL Driver Message" not in text and "software WebGL" not in text]

    def screenshot(self, path: Path) -> None:
        """Save a picture of the whole page as PNG."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], PATIENCE_SECONDS)
            piece = os.read(self._from, 1 << 20) if ready else b""
            assert piece, "the browser is silent"
            self._buffer += piece
        raw, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(raw)
        return message


@contextmanager
def browser(folder: Path, *, webgl: bool = True) -> Iterator[Browser]:
    """Start a browser with a profile of its own in a folder, and end it; `webgl` is drawn by the processor."""
    program = find_browser()
    assert program is not None
    read_end, to_browser = os.pipe()
    from_browser, write_end = os.pipe()
    gl = ("--enable-unsafe-swiftshader",) if webgl else ("--disable-3d-apis",)
    options = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run", *gl)
    # The browser reads from descriptor 3 and writes to 4.
    script = f'exec "$@" 3<&{read_end} 4>&{write_end}'
    command = ("bash", "-c", script, "bash", program, *options, "--remote-debugging-pipe", f"--user-data-dir={folder}")
    process = subprocess.Popen(
        command, pass_fds=(read_end, write_end), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(read_end)
    os.close(write_end)
    try:
        yield Browser(to_browser, from_browser)
    finally:
        process.terminate()
        process.wait()
        os.close(to_browser)
        os.close(from_browser)
