"""Valid files, from which fuzzing starts."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE

STAR_SEEDS = (
    b"data_optics\n\nloop_\n_rlnOpticsGroup #1\n_rlnVoltage #2\n1 300.0\n2 200\n\n",
    b"data_general\n\n_rlnTomoSubTomosAre2DStacks 1\n_rlnName 'a b'\n\ndata_particles\nloop_\n_a #1\n_b #2\n_c #3\n"
    b'TS_1/1 [1,0,1] 1e-3 # first\n"x y" [0,,1] nan\n_c data_x ;\n\n',
    b"# version 50001\n\ndata_\n\nloop_\n_rlnA\n1\n2_0\n-0\n",
)

STAR_WORDS = (
    b"data_", b"data_\n", b"loop_", b"loop_\n", b"\n\n", b"_a", b"_rlnOpticsGroup", b"#", b";", b"'", b'"', b"nan",
    b"inf", b"1e999", b"1_0", b"[", b"]", b",", b"[1,0]", b"\r\n", b"\xef\xbb\xbf", b"\x00", b"\xff", b"\xc3\xa9",
    b"\xe2\x80\xa8", b"save_", b"stop_", b"global_", b"?", b".", b"9" * 400, b"../../x", b"/etc", b"~end~of~row~",
)  # fmt: skip
"""What a STAR file is made of, and what it should not be made of."""

_SIDES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2", 101: "u1"}


def mrc_bytes(mode: int, *, byte_order: str = "<", extended_bytes: int = 0) -> bytes:
    """Make an MRC file of 4 x 3 x 2 pixels; rows of 4-bit pixels have two bytes."""
    header = np.zeros((), HEADER_DTYPE.newbyteorder(byte_order))
    header["nx"], header["ny"], header["nz"], header["mode"], header["nsymbt"] = 4, 3, 2, mode, extended_bytes
    header["mx"], header["my"], header["mz"], header["cella"] = 4, 3, 2, (20.0, 15.0, 10.0)
    header["map"], header["machst"] = b"MAP ", (0x44, 0x44, 0, 0) if byte_order == "<" else (0x11, 0x11, 0, 0)
    pixels = np.arange(24).reshape(2, 3, 4)[..., : 2 if mode == 101 else 4]
    return header.tobytes() + bytes(extended_bytes) + pixels.astype(byte_order + _SIDES[mode]).tobytes()


MRC_SEEDS = tuple(
    mrc_bytes(mode, byte_order=order, extended_bytes=extended)
    for mode in _SIDES
    for order in "<>"
    for extended in (0, 64)
)


def scratch_folder() -> Path:
    """Choose where fuzzing writes its files: in memory where that is possible."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="subtomo-fuzz-", dir=memory if memory.is_dir() else None))


def write_corpus(folder: Path, seeds: tuple[bytes, ...]) -> None:
    """Write seeds as files, as a fuzzer wants them."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (folder / f"seed{number}").write_bytes(seed)
