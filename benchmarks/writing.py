"""What the system takes for writing alone: files as large as a particle's, one plain write each, and nothing else.

    python -m benchmarks.writing FOLDER CROP PARTICLES

prints milliseconds of processor time per particle as JSON. Where memory for the system's file cache has to come from a
host, as on rented machines, that is many times what copying takes, and belongs to the machine rather than to a program.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time

import numpy as np

HEADER_BYTES = 1024


def writing_ms(folder: str, crop: int, n: int) -> float:
    """Write data and weights of so many particles into a new folder, which is removed again."""
    sizes = 4 * crop**3, 8 * crop**2 * (crop // 2 + 1)
    contents = [np.random.default_rng(5).bytes(HEADER_BYTES + size) for size in sizes]
    with tempfile.TemporaryDirectory(dir=folder) as output:
        start = time.process_time()
        for particle in range(n):
            for number, content in enumerate(contents):
                descriptor = os.open(f"{output}/{particle}_{number}", os.O_CREAT | os.O_WRONLY | os.O_EXCL)
                os.write(descriptor, content)
                os.close(descriptor)
        return (time.process_time() - start) / n * 1e3


if __name__ == "__main__":
    print(json.dumps(writing_ms(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
