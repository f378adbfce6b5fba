"""How long to wait before an engine is started again, and when there is no use in going on.

A token that is gone is waited for as long as it takes, with short pauses, so that it is found soon after it came back.
Starts that fail for another reason (a crash, a defect) are repeated after pauses that double, and so many in a row are
the end. An engine that has greeted has converted a number before; when it dies later, that is put down to what it was
at. It gives short pauses as well, and never the end: else whoever may ask could end the daemon by asking.
"""

from __future__ import annotations

from appliance.engine.frames import Failed

LONGEST_WAIT = 1.0  # seconds, for a token that is gone, or after an engine that served
LONGEST_PAUSE = 30.0  # after a start that failed for another reason
MOST_DEFECTS = 20
STABLE_SECONDS = 10.0
_SHORTEST = 0.25
_MOST_DOUBLINGS = 16  # the pauses are at their longest by then, and failures may go on for years


def pause(failures: int, longest: float) -> float:
    """Seconds before the next start after so many failures in a row: none after the first, then doubling."""
    return 0.0 if failures < 2 else min(longest, _SHORTEST * 2.0 ** min(failures - 2, _MOST_DOUBLINGS))


class Patience:
    """What one engine's place has seen. ``failures``: starts that failed and engines that died young, in a row."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.defects = 0  # starts that failed in a row, and not for a token that is gone
        self._longest = LONGEST_WAIT

    @property
    def pause(self) -> float:
        """Seconds to wait before the next start."""
        return pause(self.failures, self._longest)

    @property
    def over(self) -> bool:
        """Whether there is no use in another start."""
        return self.defects >= MOST_DEFECTS

    def start_failed(self, failure: Failed) -> None:
        """A start that came to nothing."""
        gone = failure.reason == "token"
        self.failures += 1
        self.defects = 0 if gone else self.defects + 1
        self._longest = LONGEST_WAIT if gone else LONGEST_PAUSE

    def served(self) -> None:
        """The engine has greeted."""
        self.defects = 0
        self._longest = LONGEST_WAIT

    def ended(self, lived: float) -> None:
        """An engine that served for so many seconds is gone, and nobody asked it to go."""
        self.failures = 1 if lived >= STABLE_SECONDS else self.failures + 1
