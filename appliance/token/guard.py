"""One thread per process touches PKCS#11 (two of them crash SoftHSM), and no forked child does.

python-pkcs11 initialises modules without locking and releases the GIL in every call. The first thread
that opens a token keeps the right to for the life of the process; scale by processes started anew.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from threading import get_ident

from appliance.token.errors import WrongThread

_FORKED = -1  # no thread has this identity


@dataclass
class Owner:
    """The identity of the one thread that may call, None before the first call."""

    thread: int | None = None

    def claim(self) -> None:
        """Take the right to call, or check that it is this thread's.

        Raises:
            WrongThread: another thread has it, or this process was forked from one that had it.
        """
        if self.thread is None:
            self.thread = get_ident()
        if self.thread != get_ident():
            raise self.refusal()

    def refusal(self) -> WrongThread:
        """What to raise in the wrong place."""
        if self.thread == _FORKED:
            return WrongThread("PKCS#11 is used in a forked process", "a defect: start the process anew (spawn)")
        return WrongThread("a second thread uses PKCS#11", "a defect: one thread of a process may; use processes")

    def after_fork(self) -> None:
        """A child forked after the first call must never call."""
        if self.thread is not None:
            self.thread = _FORKED


OWNER = Owner()
os.register_at_fork(after_in_child=OWNER.after_fork)
