"""What the engine asks of the kernel at its start, because it holds a token login and people's codes.

Nobody reads its memory (`appliance.hardening`), and it dies with its daemon even while a token module hangs
(``PR_SET_PDEATHSIG``; Linux only, elsewhere the end of the socket is what ends the engine).
"""

from __future__ import annotations

import signal

from appliance import hardening

_PR_SET_PDEATHSIG = 1


def harden() -> None:
    """To be called first of all.

    Raises:
        OSError: the kernel refused.
    """
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)  # they are for the daemon; it closes the socket when it is time
    hardening.forbid_reading()
    hardening.control(_PR_SET_PDEATHSIG, signal.SIGKILL)
