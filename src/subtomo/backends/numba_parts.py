"""What numba loads before the first loop, without the part that no loop here uses.

To find out whether arrays can be multiplied as matrices, numba imports scipy.linalg: a fifth of a second and 35 MB of
every run, for nothing. While numba looks, scipy.linalg cannot be imported here; once it has looked it is told that
matrices can be multiplied, and imports scipy.linalg when the first loop does so, whoever's loop that is.
"""

from __future__ import annotations

import sys
import threading
from functools import cache
from importlib import import_module
from importlib.util import find_spec

_LOOKS = "numba.np.arraymath"
_ANSWER = "_HAVE_BLAS"
_WANTED = "scipy.linalg"


@cache
def load_without_linear_algebra() -> bool:
    """Load numba's array functions, and leave scipy.linalg out unless another loop needs it later.

    Returns:
        False where it does not matter any more, for one of the two is loaded, or where other threads might want
        scipy.linalg at this moment.
    """
    is_alone = threading.active_count() == 1
    if not is_alone or _LOOKS in sys.modules or _WANTED in sys.modules or find_spec("scipy") is None:
        return False
    sys.modules[_WANTED] = None  # type: ignore[assignment]
    try:
        arrays = import_module(_LOOKS)
    except ImportError:  # another version of numba may look elsewhere
        return False
    finally:
        del sys.modules[_WANTED]
    setattr(arrays, _ANSWER, True)
    return True
