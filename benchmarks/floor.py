"""The FFT floor F: the time of the transforms that one particle cannot do without, on this machine, now.

    python -m benchmarks.floor BOX CROP BIN [REPEATS]

prints milliseconds per part as JSON: for 41 tilts the forward transform of the unbinned patch, the inverse and the
forward transform of the box, and for the particle the inverse 3-D transform of the crop. ducc0, one thread, float32,
each transform called by itself on an image of its own, into a buffer that is used again.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from ducc0.fft import c2r, r2c

N_TILTS = 41


def floor_ms(box: int, crop: int, binning: float, repeats: int) -> dict[str, float]:
    """Measure the parts of F: the median of the repeats of each."""
    parts = _parts(round(box * binning), box, crop)
    times: dict[str, list[float]] = {name: [] for name in parts}
    for repeat in range(repeats + 1):
        for name, part in parts.items():
            start = time.perf_counter()
            part()
            # the first round pays for the plans of the transforms
            if repeat:
                times[name].append((time.perf_counter() - start) * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def _parts(patch: int, box: int, crop: int) -> dict[str, Callable[[], None]]:
    random = np.random.default_rng(3)
    patches = random.standard_normal((N_TILTS, patch, patch), np.float32)
    images = random.standard_normal((N_TILTS, box, box), np.float32)
    spectra = r2c(images, axes=(1, 2))
    volume_spectrum = r2c(random.standard_normal((crop, crop, crop), np.float32))
    patch_out = np.empty((patch, patch // 2 + 1), np.complex64)
    box_out, image_out = np.empty((box, box // 2 + 1), np.complex64), np.empty((box, box), np.float32)
    volume_out = np.empty((crop, crop, crop), np.float32)

    def forward_patches() -> None:
        for image in patches:
            r2c(image, nthreads=1, out=patch_out)

    def inverse_boxes() -> None:
        for spectrum in spectra:
            c2r(spectrum, lastsize=box, forward=False, nthreads=1, out=image_out)

    def forward_boxes() -> None:
        for image in images:
            r2c(image, nthreads=1, out=box_out)

    def inverse_volume() -> None:
        c2r(volume_spectrum, lastsize=crop, forward=False, nthreads=1, out=volume_out)

    return {
        "41 r2c of the patch": forward_patches,
        "41 c2r of the box": inverse_boxes,
        "41 r2c of the box": forward_boxes,
        "3-D c2r of the crop": inverse_volume,
    }


if __name__ == "__main__":
    n_repeats = int(sys.argv[4]) if len(sys.argv) > 4 else 5
    print(json.dumps(floor_ms(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), n_repeats)))
