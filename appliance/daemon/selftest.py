"""Does every engine still convert as it must? Asked again and again, beside the requests; only yes or no comes back.

The numbers are fixed and stay inside the engine (`appliance.engine.selftest`), so there is nothing to record. An engine
that fails ends itself, one that hangs is killed at its deadline, and both are replaced; here it only counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from appliance.engine.envelope import Frame, FrameError, Kind
from appliance.engine.envelope import pack as pack_frame
from appliance.engine.frames import payload_of
from appliance.engine.link import Link


class Trial:
    """The question to one engine; ``passed`` is True, or False if it did not answer."""

    kind = Kind.SELF_TEST
    count = 0

    def __init__(self) -> None:
        self.passed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def pack(self, request: int) -> bytes:
        """Its frame."""
        return pack_frame(Kind.SELF_TEST, request)

    def settle(self, frame: Frame) -> None:
        """The engine's answer; raises FrameError if it is none to this question."""
        if payload_of(frame, Kind.TESTED):
            raise FrameError("frame TESTED: has a payload")
        self._end(passed=True)

    def refused(self, code: str) -> None:
        """The engine is gone."""
        del code
        self._end(passed=False)

    def _end(self, *, passed: bool) -> None:
        if not self.passed.done():
            self.passed.set_result(passed)


class SelfTest:
    """``serving`` tells the engines there are. ``passed``, ``failed``: rounds so far; ``failed_in_a_row``: of late."""

    def __init__(self, serving: Callable[[], Sequence[Link]]) -> None:
        self._serving = serving
        self.passed = 0
        self.failed = 0
        self.failed_in_a_row = 0

    async def round(self) -> bool | None:
        """Whether every engine that serves now came through; None if none serves, which is no round at all.

        Each is asked beside the frames that it has already, so that a busy one is tested, too.
        """
        trials = [self._ask(link) for link in self._serving()]
        if not trials:
            return None
        good = all(await asyncio.gather(*(trial.passed for trial in trials)))
        self.passed += good
        self.failed += not good
        self.failed_in_a_row = 0 if good else self.failed_in_a_row + 1
        return good

    def _ask(self, link: Link) -> Trial:
        trial = Trial()
        link.send(trial)
        return trial
