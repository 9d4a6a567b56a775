"""Tilt images as OME-Zarr, and a server of the files in a folder."""

from __future__ import annotations

import threading
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

    def do_GET(self) -> None:
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
