"""numba without scipy.linalg, until a loop needs it."""

from __future__ import annotations

import subprocess
import sys
import threading

from subtomo.backends.numba_parts import load_without_linear_algebra

NEEDED_LATER = """
import sys
import numba, numpy as np
import subtomo.backends.cpu
print('scipy.linalg' in sys.modules)
inverse = numba.njit(lambda matrix: np.dot(np.linalg.inv(matrix), matrix))
print(np.allclose(inverse(np.diag([1.0, 2.0])), np.eye(2)), 'scipy.linalg' in sys.modules)
"""


def test_loops_load_without_scipy_linalg_and_others_find_it_later() -> None:
    run = subprocess.run([sys.executable, "-c", NEEDED_LATER], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True", "True"], run.stderr


def test_an_extraction_needs_neither_scipy_linalg_nor_matplotlib() -> None:
    program = (
        "import sys, subtomo.jobs.extract, subtomo.backends.cpu; "
        "print([name for name in ('scipy.linalg', 'matplotlib', 'zarr', 'dask') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n", run.stderr


def test_nothing_is_hidden_from_other_threads() -> None:
    load_without_linear_algebra.cache_clear()
    end = threading.Event()
    other = threading.Thread(target=end.wait)
    other.start()
    try:
        assert not load_without_linear_algebra()
    finally:
        end.set()
        other.join()
        load_without_linear_algebra.cache_clear()
