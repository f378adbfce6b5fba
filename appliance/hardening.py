"""What a process asks of the kernel that holds a PIN or a token's login: that nobody reads its memory.

No core dumps, and no reading by other processes of the same user (``PR_SET_DUMPABLE``, prctl(2); Linux only).
"""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4


def forbid_reading() -> None:
    """To be called before any secret is there.

    Raises:
        OSError: the kernel refused.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    control(_PR_SET_DUMPABLE, 0)


def control(option: int, value: int) -> None:
    """``prctl``; does nothing where there is none.

    Raises:
        OSError: the kernel refused.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
