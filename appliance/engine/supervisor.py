"""Keeps engines running: starts them, gives them work, replaces the dead, gives up when that is right.

The engines of one ledger are a `Pool`; a reload starts a new pool and lets the old one finish. Engines
start one at a time, so that a wrong PIN is tried by one of them only, and what repeating cannot mend (a
wrong PIN, a refused ledger, a bad configuration, a wrong key) is not repeated: the daemon is told to stop.
Everything else is: at once the first time, then after pauses that double.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from appliance.engine.frames import Failed
from appliance.engine.link import EngineFailed, Link, Work, defect

FATAL = frozenset({"configuration", "ledger", "pin", "keys"})
STABLE_SECONDS = 10.0
LONGEST_PAUSE = 30.0
MOST_FAILURES = 20
DOWN_SECONDS = 2.0

Launch = Callable[[Callable[[], None], Callable[[Link, list[Work]], None]], Awaitable[Link]]


class WorkSource(Protocol):
    """Where work comes from (the daemon's lanes)."""

    def take(self) -> Work | None:
        """The next frame of work, None if there is none."""

    def put_back(self, work: Sequence[Work], code: str) -> None:
        """Work that died with its engine: to be tried once more, or refused with the code."""

    def refuse_all(self, code: str) -> None:
        """Nothing waiting can be done for now."""


class Watcher(Protocol):
    """Who is told what happens to engines (the daemon's service)."""

    def engine_lost(self, pid: int, why: str) -> None:
        """An engine is gone that nobody asked to go."""

    def engine_regained(self, pid: int) -> None:
        """Another one serves in its place."""

    def ledger_moved(self) -> None:
        """A new engine found a newer ledger than the daemon's."""

    def fatal(self, failure: Failed) -> None:
        """There is no use in going on."""


class LedgerMoved(EngineFailed):
    """The engine verified another ledger than the daemon: the folder changed between the two."""

    def __init__(self) -> None:
        super().__init__(
            Failed(reason="token", message="the ledger changed during the start", hint="start again", exit_code=4)
        )


class GivenUp(EngineFailed):
    """No engine will be started any more; the watcher has been told why."""


def pause(failures: int) -> float:
    """Seconds before the next start after so many failures in a row: none, then doubling."""
    return 0.0 if failures == 0 else min(LONGEST_PAUSE, 0.25 * 2 ** (failures - 1))


class Pool:
    """The engines of one ledger head. ``links`` are those that serve now."""

    def __init__(
        self,
        head: str,
        size: int,
        launch: Callable[[], Awaitable[Link]],
        watcher: Watcher,
        on_ready: Callable[[], None],
    ) -> None:
        self.head = head
        self.links: list[Link] = []
        self._on_ready = on_ready
        self._size = size
        self._launch = launch
        self._watcher = watcher
        self._keepers: list[asyncio.Task[None]] = []
        self._closing = False
        self._starting = asyncio.Lock()
        self._given_up: Failed | None = None

    async def start(self) -> None:
        """Start the first engine; the others follow by themselves.

        Raises:
            EngineFailed: it does not serve, so no other one was tried.
        """
        first = await self._start_one()
        self.links.append(first)
        for number in range(self._size):
            self._keepers.append(asyncio.create_task(self._keep(first if number == 0 else None)))

    async def _start_one(self) -> Link:
        async with self._starting:
            if self._given_up is not None:
                raise GivenUp(self._given_up)
            link = await self._launch()
        if link.hello.head != self.head:
            link.close()
            await link.wait_end()
            raise LedgerMoved
        return link

    async def _keep(self, link: Link | None) -> None:
        """One engine's place: fill it, wait until the engine ends, fill it again."""
        failures = 0
        lost = False
        while True:
            if link is None:
                try:
                    link, failures = await self._fill(failures)
                except GivenUp:
                    return
                if lost:
                    self._watcher.engine_regained(link.hello.pid)
            why = await link.wait_end()
            self.links = [other for other in self.links if other is not link]
            if self._closing:
                return
            self._watcher.engine_lost(link.hello.pid, why)
            lived = asyncio.get_running_loop().time() - link.started
            failures = 0 if lived >= STABLE_SECONDS else failures
            link, lost = None, True

    async def _fill(self, failures: int) -> tuple[Link, int]:
        while True:
            await asyncio.sleep(pause(failures))
            failures += 1
            try:
                link = await self._start_one()
            except GivenUp:
                raise
            except LedgerMoved:
                self._watcher.ledger_moved()
            except EngineFailed as error:
                self._judge(error.failure, failures)
            else:
                self.links.append(link)
                self._on_ready()
                return link, failures

    def _judge(self, failure: Failed, failures: int) -> None:
        if failure.reason in FATAL:
            raise self._give_up(failure)
        if failures >= MOST_FAILURES:
            raise self._give_up(defect(f"{failures} engines failed one after another; the last: {failure.message}"))

    def _give_up(self, failure: Failed) -> GivenUp:
        """From now on no engine is started: not for another place of this pool, either."""
        if self._given_up is None:
            self._given_up = failure
            self._watcher.fatal(failure)
        return GivenUp(failure)

    async def close(self, seconds: float) -> None:
        """Let the engines answer what they have and end; kill those that take longer."""
        self._closing = True
        for keeper in self._keepers:
            keeper.cancel()
        for link in self.links:
            link.close()
        ends = [asyncio.create_task(link.wait_end()) for link in self.links]
        if ends:
            await asyncio.wait(ends, timeout=seconds)
            for link in self.links:
                link.kill("the daemon is stopping")
            await asyncio.gather(*ends)
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self.links.clear()


class Supervisor:
    """The daemon's engines. ``launch`` starts one process; all else is decided here."""

    def __init__(self, processes: int, launch: Launch, lanes: WorkSource, watcher: Watcher) -> None:
        self._processes = processes
        self._launch = launch
        self._lanes = lanes
        self._watcher = watcher
        self._starting = asyncio.Lock()
        self._pool: Pool | None = None
        self._retiring: dict[Pool, asyncio.Task[None]] = {}
        self._down: asyncio.TimerHandle | None = None
        self._kicked = False
        self.down = False

    async def start(self, head: str, switch: Callable[[], None]) -> None:
        """Serve with engines that verified the ledger with this head; ``switch`` is called at that moment.

        The first call starts; a later one is a reload: if it fails, the engines from before go on.

        Raises:
            EngineFailed: the first engine did not serve.
        """
        fresh = Pool(head, self._processes, self._launch_one, self._watcher, self.kick)
        await fresh.start()
        switch()
        before, self._pool = self._pool, fresh
        self.kick()
        if before is not None:
            self._retiring[before] = asyncio.create_task(before.close(LONGEST_PAUSE))
            self._retiring[before].add_done_callback(lambda _: self._retiring.pop(before))

    async def _launch_one(self) -> Link:
        async with self._starting:
            return await self._launch(self.kick, self._lost)

    def _lost(self, link: Link, orphans: list[Work]) -> None:
        token = link.failure is not None and link.failure.reason == "token"
        if orphans:
            self._lanes.put_back(orphans, "token_unavailable" if token else "engine_lost")
        if self._down is None and not self.serving:
            self._down = asyncio.get_running_loop().call_later(DOWN_SECONDS, self._is_down)
        self.kick()

    def _is_down(self) -> None:
        self._down = None
        self.down = not self.serving
        if self.down:
            self._lanes.refuse_all("token_unavailable")

    @property
    def serving(self) -> list[Link]:
        """The engines that take work now."""
        return [link for link in self._pool.links if not link.closing] if self._pool else []

    def kick(self) -> None:
        """There is work, or an engine is free: bring them together at the end of this turn of the loop."""
        if not self._kicked:
            self._kicked = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._kicked = False
        serving = self.serving
        if serving:
            self.down = False
        while free := [link for link in serving if link.free]:
            work = self._lanes.take()
            if work is None:
                return
            min(free, key=lambda link: link.load).send(work)

    async def close(self, seconds: float) -> None:
        """End all engines, after what they are at."""
        if self._down is not None:
            self._down.cancel()
        if self._pool is not None:
            await self._pool.close(seconds)
        retiring = dict(self._retiring)
        for pool in retiring:
            for link in pool.links:
                link.kill("the daemon is stopping")
        await asyncio.gather(*retiring.values())
