"""Fuzz the reader of STAR files with atheris: ``python tests/fuzz/fuzz_star.py -max_total_time=60``.

A finding is saved as ``crash-…`` in the present folder; mend it and put the file into ``tests/fuzz/corpus/star``, where
an ordinary test replays it. Needs ``pip install 'subtomo[fuzz]'``.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

with atheris.instrument_imports(include=["subtomo"]):
    from tests.fuzz.seeds import STAR_SEEDS, scratch_folder, write_corpus
    from tests.fuzz.targets import read_star, survives

FOLDER = scratch_folder()


def one_input(content: bytes) -> None:
    """Read what the fuzzer made up."""
    survives(read_star, FOLDER / "input.star", content)


def main() -> None:
    """Start from valid files and from all that was ever found."""
    corpus = FOLDER / "corpus"
    write_corpus(corpus, STAR_SEEDS)
    for known in (Path(__file__).parent / "corpus" / "star").iterdir():
        shutil.copy(known, corpus)
    try:
        atheris.Setup([sys.argv[0], str(corpus), "-max_len=4096", *sys.argv[1:]], one_input)
        atheris.Fuzz()
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)


if __name__ == "__main__":
    main()
