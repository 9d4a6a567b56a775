"""Tilt images as OME-Zarr, and a server of the files in a folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import zarr


def write_zarr(
    path: Path, images: np.ndarray, *, chunks: tuple[int, ...] = (2, 32, 32), pixel_size: float = 1.35, **more: Any
) -> Path:
    """Write an image of two scales with pixels of `pixel_size`, as OME-Zarr 0.4."""
    group = zarr.open_group(path, mode="w", zarr_format=more.pop("zarr_format", 2))
    for name, scale in (("0", images), ("1", images[:, ::2, ::2])):
        group.create_array(name, data=scale, chunks=chunks)
    axes = [{"name": axis, "type": "space", "unit": "angstrom"} for axis in "zyx"]
    datasets = [
        {"path": name, "coordinateTransformations": [{"type": "scale", "scale": [pixel_size * factor] * 3}]}
        for name, factor in (("0", 1), ("1", 2))
    ]
    scales = [{"version": "0.4", "axes": axes, "datasets": datasets, **more}]
    group.attrs.update({"ome": {"multiscales": scales}} if group.metadata.zarr_format == 3 else {"multiscales": scales})
    return path


class Files(SimpleHTTPRequestHandler):
    asked: ClassVar[list[str]] = []
    fails_on: ClassVar[str] = ""
    """End of the names that the server is too busy for."""

    wait_s: ClassVar[float] = 0.0
    """Before an answer."""
    most_at_once: ClassVar[int] = 0
    _at_once: ClassVar[int] = 0

    def do_GET(self) -> None:
        cls = type(self)
        cls._at_once += 1
        cls.most_at_once = max(cls.most_at_once, cls._at_once)
        time.sleep(self.wait_s)
        try:
            self._answer()
        finally:
            cls._at_once -= 1

    def _answer(self) -> None:
        self.asked.append(self.path)
        if self.fails_on and self.path.endswith(self.fails_on):
            self.send_error(503)
            return
        super().do_GET()

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the files of a folder; gives the address."""
    Files.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
