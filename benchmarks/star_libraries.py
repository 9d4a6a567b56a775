"""Compare ways to read a large STAR file: seconds, peak memory and whether every token comes out as it went in.

Each reader runs in a fresh process on a generated file of particle rows; it must end with 25 columns of text.
Run ``python benchmarks/star_libraries.py [rows]``; readers whose library is not installed are reported as absent.
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

N_FLOATS = 20
Columns = list[Sequence[str]]


def row(index: int) -> list[str]:
    """Make the 25 tokens of one row; a token such as 007 shows whether a reader keeps text."""
    numbers = random.Random(index)
    floats = [f"{numbers.uniform(-500, 500):.6f}" for _ in range(N_FLOATS - 1)] + [f"{numbers.uniform(1, 9):.3e}"]
    tilt_series = f"TS_{index % 200:03d}"
    image = f"Extract/job020/Subtomograms/{tilt_series}/{index}_stack2d.mrcs"
    return [tilt_series, *floats, f"{index:09d}", f"{tilt_series}/{index}", image, "[1,1,1,0,1,0,1]"]


def generate(path: Path, n_rows: int) -> None:
    """Write the file to read."""
    with path.open("w", encoding="ascii") as stream:
        stream.write("\n# version 50001\n\ndata_particles\n\nloop_ \n")
        stream.writelines(f"_rlnColumn{k} #{k} \n" for k in range(1, 26))
        stream.writelines("".join(f"{token:>12} " for token in row(index)) + "\n" for index in range(n_rows))
        stream.write(" \n")


def read_gemmi(path: str) -> Columns:
    """Parse the whole file with gemmi and take each column as a list of str."""
    from gemmi import cif

    loop = cif.read_file(path).sole_block().find_loop("_rlnColumn1").get_loop()
    values = loop.values
    return [values[k::25] for k in range(25)]


def read_starfile(path: str) -> Columns:
    """Read with starfile, told to keep every column as text."""
    import starfile

    frame = starfile.read(path, parse_as_string=[f"rlnColumn{k}" for k in range(1, 26)])
    return [frame[name] for name in frame.columns]


def read_pandas(path: str) -> Columns:
    """Read the rows alone with the C parser of pandas."""
    import pandas

    frame = pandas.read_csv(
        path,
        sep=r"\s+",
        header=None,
        skiprows=31,
        names=range(25),
        dtype=str,
        na_filter=False,
        quoting=3,
        index_col=False,
    )
    return [frame[name] for name in frame.columns]


def read_subtomo(path: str) -> Columns:
    """Read with subtomo.io.star: gemmi in chunks, StringDType columns."""
    from subtomo.io.star import read_tables

    return list(read_tables(path)[0].columns.values())


READERS: dict[str, Callable[[str], Columns]] = {
    "gemmi, whole file": read_gemmi,
    "starfile": read_starfile,
    "pandas C parser": read_pandas,
    "subtomo.io.star": read_subtomo,
}


def measure(name: str, path: str, n_rows: int) -> str:
    """Run one reader here and describe the result."""
    start = time.perf_counter()
    columns = READERS[name](path)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    sample = np.unique(np.linspace(0, n_rows - 1, 1000).astype(int))
    exact = all([str(column[index]) for column in columns] == row(int(index)) for index in sample)
    return f"{name:20} {seconds:7.1f} s {peak:7.2f} GB  tokens {'exact' if exact else 'CHANGED'}"


def main(arguments: Sequence[str]) -> None:
    """Generate the file and run each reader in its own process, or one reader if called with its name."""
    if len(arguments) == 3:
        print(measure(arguments[0], arguments[1], int(arguments[2])))
        return
    n_rows = int(arguments[0]) if arguments else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "particles.star"
        generate(path, n_rows)
        print(f"{n_rows} rows, 25 columns, {path.stat().st_size / 1e6:.0f} MB")
        for name in READERS:
            command = [sys.executable, __file__, name, str(path), str(n_rows)]
            result = subprocess.run(command, check=False, capture_output=True, text=True)
            print(result.stdout.strip() or f"{name:20} absent or failed: {result.stderr.strip().splitlines()[-1]}")


if __name__ == "__main__":
    main(sys.argv[1:])
