"""Measure codecs on the terms of real particles: compression, and MB of voxels per second on one core.

    cd examples/empiar-10499 && python ../../benchmarks/zarr_codecs.py

Needs ``numcodecs``, which comes with ``subtomo[zarr]``.
"""

from __future__ import annotations

import time

import numpy as np
from numcodecs import Blosc

from subtomo import ExtractionSettings, PseudoSubtomograms, read_particles, read_tomograms

CODECS = [("lz4", 5, 1), ("lz4", 5, 2), ("zstd", 1, 1), ("zstd", 1, 2), ("zstd", 3, 1), ("zstd", 3, 2), ("zstd", 9, 2)]
SHUFFLES = ("none", "bytes", "bits")


def main() -> None:
    """Print one line per codec."""
    tomograms = read_tomograms("tomograms.star")
    particles = read_particles("particles.star", tomograms)
    sequence = PseudoSubtomograms(tomograms, particles, ExtractionSettings(box_size=128, crop_size=64))
    items = sequence[:12]
    terms = {term: np.stack([getattr(item, term) for item in items]) for term in ("data", "ctf2", "multiplicity")}
    total = sum(term.nbytes for term in terms.values())
    for name, level, shuffle in CODECS:
        codec, packed, coding, decoding, ratios = Blosc(name, level, shuffle), 0, 0.0, 0.0, []
        for term in terms.values():
            start = time.perf_counter()
            chunks = [codec.encode(volume) for volume in term]
            middle = time.perf_counter()
            for chunk in chunks:
                codec.decode(chunk)
            coding, decoding = coding + middle - start, decoding + time.perf_counter() - middle
            packed += sum(map(len, chunks))
            ratios.append(f"{term.nbytes / sum(map(len, chunks)):.2f}")
        print(
            f"{name} {level}, {SHUFFLES[shuffle]}: {' '.join(ratios)}, all {total / packed:.2f}; "
            f"{total / coding / 1e6:.0f} MB/s in, {total / decoding / 1e6:.0f} MB/s out"
        )


if __name__ == "__main__":
    main()
