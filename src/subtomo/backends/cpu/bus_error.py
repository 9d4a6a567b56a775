"""What happens when mapped memory is touched whose file became shorter: it reads as zeros."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, cfunc, types  # type: ignore[attr-defined]

SIGBUS = 7
"""On Linux."""
_BEYOND_THE_FILE = 2
"""The reason (``si_code``) BUS_ADRERR."""
_READABLE = 1
_PRIVATE_FIXED_ANONYMOUS = 0x32

# looked up by name when the loop is loaded, so that it can be kept on disk
_mmap: Any = types.ExternalFunction(
    "mmap", types.intp(types.intp, types.intp, types.int32, types.int32, types.int32, types.intp)
)
_signal: Any = types.ExternalFunction("signal", types.intp(types.int32, types.intp))
_page_size: Any = types.ExternalFunction("getpagesize", types.int32())


_information: Any = types.CPointer(types.int64)  # type: ignore[no-untyped-call]


@cfunc(types.void(types.int32, _information, types.voidptr), cache=True)
def on_bus_error(number, info, context):  # type: ignore[no-untyped-def]  # pragma: no cover - runs in a signal
    """Put a page of zeros where the file has none any more; of any other bus error the process dies as always.

    ``info`` is ``siginfo_t``: 32-bit words signal, errno and reason, then the address from the 16th byte on.
    """
    words = carray(info, (3,), np.int64)
    mended = False
    if (words[1] & 0xFFFFFFFF) == _BEYOND_THE_FILE:
        size = np.int64(_page_size())
        page = words[2] & ~(size - 1)
        mended = _mmap(page, size, _READABLE, _PRIVATE_FIXED_ANONYMOUS, np.int32(-1), 0) == page
    if not mended:
        _signal(number, 0)
