"""How a thread that computes for long lets whoever waits for its processor go first, and has its share all the same.

The scheduler ends a thread's turn when the thread leaves the kernel, or else at a tick of the clock, 4 ms apart
(PREEMPT_LAZY, Linux 6.13); and who slept before is owed milliseconds, in which nobody who wakes up comes in between.
Only sched_yield(2) gives that up. It has no memory, though: beside a program that computes without end, whoever yields
often would hardly get on. So what it lets others have is measured, and for a part of that time it does not yield.
"""

from __future__ import annotations

import os
from time import monotonic


class Yielding:
    """One thread's; ``share``: it keeps the processor for so much of the time that the others took when it yielded."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._keep_until = 0.0

    def now(self) -> None:
        """Let the others go first, unless it is this thread's turn."""
        begun = monotonic()
        if begun >= self._keep_until:
            os.sched_yield()
            ended = monotonic()
            self._keep_until = ended + self._share * (ended - begun)
