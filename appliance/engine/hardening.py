"""What the engine asks of the kernel at its start, because it holds a token login and people's codes.

No core dumps and no reading of its memory by other processes of the same user (``PR_SET_DUMPABLE``),
and it dies with its daemon even while a token module hangs (``PR_SET_PDEATHSIG``). Linux only; elsewhere
the end of the socket is what ends the engine.
"""

from __future__ import annotations

import ctypes
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4


def harden() -> None:
    """To be called first of all.

    Raises:
        OSError: the kernel refused.
    """
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)  # they are for the daemon; it closes the socket when it is time
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        _control(_PR_SET_DUMPABLE, 0)
        _control(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _control(option: int, value: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
