"""When do streams pause? While somebody waits for a small answer, and never for long.

An engine answers small questions in the middle of bulk work (`appliance.engine.turns`). But on its way to the engine
and back a question would meet what a stream costs the daemon besides: pieces that are cut, recorded and sent just then
keep the event loop and the log's writer busy, and where processors are few, everybody. All that can wait until the
question is answered, since engines have pieces in store. Whoever asks, and however many: streams have a third of the
time, as they have in the engine.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

MOST_SECONDS = 0.004  # an engine has work for as long: a piece that it is at, and more that wait for it
SHARE = 0.5  # streams go on for so much of the time that they paused, whoever waits


class Pauses:
    """``with pauses``: somebody waits. For the event loop's thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._people = 0
        self._pausing: list[asyncio.Future[None]] = []
        self._keep_until = 0.0
        self._longest: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        self._people += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._people -= 1
        if not self._people and self._pausing:
            self._go_on()

    def _go_on(self) -> None:
        if self._longest is not None:
            self._longest.cancel()
        pausing, self._pausing = self._pausing, []
        for future in pausing:
            if not future.done():
                future.set_result(None)

    async def over(self) -> None:
        """A stream calls this before it does something: returns when nobody waits, or when it is the streams' turn."""
        begun = self._loop.time()
        if not self._people or begun < self._keep_until:
            return
        if not self._pausing:
            self._longest = self._loop.call_later(MOST_SECONDS, self._go_on)
        future: asyncio.Future[None] = self._loop.create_future()
        self._pausing.append(future)
        await future
        ended = self._loop.time()
        self._keep_until = ended + SHARE * (ended - begun)
