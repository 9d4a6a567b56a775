"""Copying from mapped files without a signal when somebody truncates them meanwhile."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import InputError

_MOST_PIECES = 1024
"""Pieces that the system copies at a time (IOV_MAX)."""
_MOST_BYTES = 1 << 30


def copied(mapped: NDArray[Any], path: str, offset: int) -> NDArray[Any]:
    """Copy rows of an image that is mapped into memory.

    To touch mapped memory beyond the end of a file that became shorter ends the process with SIGBUS. Here the system
    copies, which for such memory just fails.

    Args:
        mapped: (height, width) in the file, each row without gaps.
        path: The file.
        offset: Bytes in the file before the first of these pixels.

    Returns:
        (height, width), read-only, in C order.

    Raises:
        InputError: The file became shorter, or cannot be read any more.
    """
    out = np.empty(mapped.shape, mapped.dtype)
    if out.size and (_vm_readv is None or not _copy_memory(mapped, out, path)):
        _copy_file(mapped, out, path, offset)
    out.flags.writeable = False
    return out


def _copy_memory(mapped: NDArray[Any], out: NDArray[Any], path: str) -> bool:
    """Let the system copy rows from memory to memory; False if it is not allowed to."""
    assert _vm_readv is not None
    rows, row_bytes = _as_rows(mapped)
    source, target = int(mapped.__array_interface__["data"][0]), int(out.__array_interface__["data"][0])
    starts = source + np.arange(rows, dtype=np.int64) * (mapped.strides[0] if rows > 1 else 0)
    at_once = max(1, min(_MOST_PIECES, _MOST_BYTES // row_bytes))
    for first in range(0, rows, at_once):
        pieces = np.empty((min(at_once, rows - first), 2), np.int64)
        pieces[:, 0], pieces[:, 1] = starts[first : first + len(pieces)], row_bytes
        there = np.array([target + first * row_bytes, len(pieces) * row_bytes], np.int64)
        count = _vm_readv(os.getpid(), there.ctypes.data, 1, pieces.ctypes.data, len(pieces), 0)
        if count == there[1]:
            continue
        if count < 0 and ctypes.get_errno() in (errno.ENOSYS, errno.EPERM):
            return False
        raise _shorter(path)
    return True


def read_into(path: str, offset: int, out: NDArray[Any]) -> None:
    """Read what follows an offset of a file into an array in C order.

    Raises:
        InputError: The file became shorter, or cannot be read any more.
    """
    _read(path, [(offset, memoryview(out.reshape(-1).view(np.uint8).data))])


def _copy_file(mapped: NDArray[Any], out: NDArray[Any], path: str, offset: int) -> None:
    """Read rows from the file."""
    rows, row_bytes = _as_rows(mapped)
    target = memoryview(out.reshape(-1).view(np.uint8).data)
    stride = mapped.strides[0] if rows > 1 else 0
    _read(path, [(offset + row * stride, target[row * row_bytes : (row + 1) * row_bytes]) for row in range(rows)])


def _read(path: str, pieces: list[tuple[int, memoryview]]) -> None:
    """Read pieces of a file by their offsets."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise InputError(f"{path}: cannot be read any more ({error.strerror}); put it back") from None
    try:
        for at, part in pieces:
            while part:
                count = os.preadv(descriptor, [part], at)
                if count <= 0:
                    raise _shorter(path)
                part, at = part[count:], at + count
    except OSError as error:
        raise InputError(f"{path}: cannot be read any more ({error.strerror}); check the disk") from None
    finally:
        os.close(descriptor)


def _as_rows(mapped: NDArray[Any]) -> tuple[int, int]:
    """Give number and bytes of the pieces without gaps."""
    if mapped.flags.c_contiguous and mapped.nbytes <= _MOST_BYTES:
        return 1, mapped.nbytes
    return mapped.shape[0], mapped.shape[1] * mapped.itemsize


def _shorter(path: str) -> InputError:
    return InputError(f"{path}: became shorter while it was read; put the file back as it was, and run again")


def _find_vm_readv() -> Any:
    """Find the system call that copies memory of a process, here of this one; None if the system has none."""
    try:
        function = ctypes.CDLL(None, use_errno=True).process_vm_readv
    except (OSError, AttributeError):
        return None
    function.restype = ctypes.c_ssize_t
    function.argtypes = (
        ctypes.c_int, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong,
    )  # fmt: skip
    return function


_vm_readv = _find_vm_readv()
