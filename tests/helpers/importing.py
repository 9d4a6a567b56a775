"""Small stacks of images for imports."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from subtomo.io.mrc_write import write_mrc


def write_stack(path: Path, n: int, size: tuple[int, int], *, pixel_size: float = 10.0) -> Path:
    """Write n images of width and height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images = np.random.default_rng(n).normal(size=(n, size[1], size[0])).astype(np.float32)
    write_mrc(path, images, pixel_size_angstrom=pixel_size)
    return path
