"""What the engine asks of the kernel at its start, because it holds a token login and people's codes.

Nobody reads its memory, and none of it gets to a swap disk (`appliance.hardening`). One that the daemon started dies
with its daemon even while a token module hangs (``PR_SET_PDEATHSIG``; Linux only, elsewhere the end of the socket is
what ends the engine). One that systemd started is ended by systemd: by its stop, or by the watchdog, which a hung one
does not feed.
"""

from __future__ import annotations

import signal
import sys

from appliance import hardening

_PR_SET_PDEATHSIG = 1


def harden(*, service: bool = False) -> None:
    """To be called first of all. ``service``: systemd started it.

    Raises:
        OSError: the kernel refused.
    """
    left_to_others = {signal.SIGINT, signal.SIGHUP} if service else {signal.SIGINT, signal.SIGHUP, signal.SIGTERM}
    for ignored in left_to_others | {signal.SIGTTOU}:  # the last would stop it where it may not write to the terminal
        signal.signal(ignored, signal.SIG_IGN)  # they are for the daemon; it closes the socket when it is time
    hardening.tell_no_exception_text()
    hardening.forbid_reading()
    if not service:
        hardening.control(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if refused := hardening.lock_memory():
        print(
            f"kagimori engine: its memory is not locked, so a swap disk could get the PIN: {refused}", file=sys.stderr
        )
