"""Keeps engines running: starts them, gives them work, replaces the dead, gives up when that is right.

The engines of one ledger head are a `Pool`, those of one token in it a `Crew`; a reload starts a new pool and lets the
old one finish. Engines of one token start one at a time, so that a wrong PIN is tried by one of them only. A token that
drops is left out while another serves, and what its engines were at is done by another; when there is no hope for any
token, the daemon is told to stop.

While no engine serves, what waits is kept for `DOWN_SECONDS`, since the next one is there in less; as soon as a start
on every token has failed, that hope is gone, and everything is refused at once until an engine serves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

from appliance.engine.envelope import Kind
from appliance.engine.frames import Failed
from appliance.engine.link import WINDOW, EngineFailed, Link, Work
from appliance.engine.places import Crew, LedgerMoved, LeftOut, Places

DOWN_SECONDS = 2.0
RETIRE_SECONDS = 30.0
UNAVAILABLE = "token_unavailable"

Launch = Callable[[int, Callable[[], None], Callable[[Link, list[Work]], None]], Awaitable[Link]]
"""Starts an engine on the token with this number; what it is called with besides is `Link.start`'s."""


class WorkSource(Protocol):
    """Where work comes from (the daemon's lanes).

    ``pressed``: people wait for answers just now, so an engine gets one frame at a time of what can wait. It idles then
    for a hand-over after each, and on a machine of few cores those who answer find a processor.
    """

    @property
    def pressed(self) -> bool:
        """See above."""

    def has(self, now: bool) -> bool:
        """Whether there may be work: such as is answered at once (``now``), or other."""

    def take(self, now: bool, signs: bool) -> Work | None:
        """The next frame of work, None if there is none: one that is answered at once (``now``), or another one.

        Signatures only if the engine signs.
        """

    def put_back(self, work: Sequence[Work], code: str) -> None:
        """Work that died with its engine: to be tried once more, or refused with the code."""

    def refuse_all(self, code: str) -> None:
        """Nothing waiting can be done for now."""


class Watcher(Protocol):
    """Who is told what happens to engines (the daemon's service)."""

    def engine_lost(self, link: Link, why: str) -> None:
        """An engine is gone that nobody asked to go."""

    def engine_regained(self, pid: int) -> None:
        """Another one serves in its place."""

    def ledger_moved(self) -> None:
        """A new engine found a newer ledger than the daemon's."""

    def left_out(self, label: str, why: LeftOut) -> None:
        """A token, by its label, has no engine now, or gets no new one any more."""

    def back(self, label: str) -> None:
        """It has one again."""

    def fatal(self, failure: Failed) -> None:
        """There is no use in going on."""


class Pool:
    """The engines of one ledger head, on all tokens."""

    def __init__(
        self,
        head: str,
        tokens: Sequence[Places],
        launch: Callable[[int], Awaitable[Link]],
        watcher: Watcher,
        ready: Callable[[], None],
        start_failed: Callable[[], None],
    ) -> None:
        self.head = head
        self.closing = False
        self.given_up: Failed | None = None
        self.ready = ready
        self.start_failed = start_failed
        self.engine_lost = watcher.engine_lost
        self.engine_regained = watcher.engine_regained
        self.ledger_moved = watcher.ledger_moved
        self.left_out = watcher.left_out
        self.back = watcher.back
        self.crews = tuple(Crew(places, self, partial(launch, places.number)) for places in tokens)
        self._fatal = watcher.fatal

    @property
    def links(self) -> list[Link]:
        """The engines that serve, or are ending."""
        return [link for crew in self.crews for link in crew.links]

    async def start(self, order: Sequence[int]) -> None:
        """Start the first engine; the others follow by themselves.

        Args:
            order: the numbers of the tokens that it may be on, each tried once, until one serves.

        Raises:
            EngineFailed: none serves, and no other one was tried; what the first of them said.
        """
        failures: list[EngineFailed] = []
        for number in order:
            try:
                await self.crews[number].first()
                break
            except EngineFailed as error:
                failures.append(error)
                if isinstance(error, LedgerMoved) or error.failure.reason == "ledger":
                    raise  # it is the same for every token
        else:
            raise failures[0]
        for crew in self.crews:
            crew.open()

    def hopeless(self, failure: Failed) -> None:
        """A token has no hope; with none for any, no engine is started any more, and the watcher is told."""
        if self.given_up is None and all(crew.hopeless for crew in self.crews):
            self.given_up = failure
            self._fatal(failure)

    async def close(self, seconds: float) -> None:
        """Let the engines answer what they have and end; kill those that take longer."""
        self.closing = True
        for crew in self.crews:
            crew.stop()
        links = self.links
        for link in links:
            link.close()
        ends = [asyncio.create_task(link.wait_end()) for link in links]
        if ends:
            await asyncio.wait(ends, timeout=seconds)
            for link in links:
                link.kill("the daemon is stopping")
            await asyncio.gather(*ends)
        for crew in self.crews:
            await crew.stopped()
            crew.links.clear()


class Supervisor:
    """The daemon's engines. ``launch`` starts one process; all else is decided here.

    ``tokens``: in the order of their numbers. ``down``: no engine has served for a while; ``mute``: none that signs.
    """

    def __init__(self, tokens: Sequence[Places], launch: Launch, lanes: WorkSource, watcher: Watcher) -> None:
        self._tokens = tuple(tokens)
        self._launch = launch
        self._lanes = lanes
        self._watcher = watcher
        self._starting: dict[int, asyncio.Lock] = {}
        self._pool: Pool | None = None
        self._retiring: dict[Pool, asyncio.Task[None]] = {}
        self._overdue: asyncio.TimerHandle | None = None
        self._kicked = False
        self.down = False
        self.mute = False

    async def start(self, head: str, switch: Callable[[], None]) -> None:
        """Serve with engines that verified the ledger with this head; ``switch`` is called at that moment.

        The first call starts, and needs an engine on the first token; a later one is a reload, for which any token
        will do: if it fails, the engines from before go on.

        Raises:
            EngineFailed: no first engine served.
        """
        before = self._pool
        fresh = Pool(head, self._tokens, self._launch_one, self._watcher, self.kick, self._refuse_if_down)
        if before is not None:
            for crew, known in zip(fresh.crews, before.crews, strict=True):
                crew.take_over(known)
        await fresh.start((0,) if before is None else _order(before))
        switch()
        self._pool = fresh
        self.kick()
        if before is not None:
            self._retiring[before] = asyncio.create_task(before.close(RETIRE_SECONDS))
            self._retiring[before].add_done_callback(lambda _: self._retiring.pop(before))

    def try_again(self) -> None:
        """Before a reload: tokens that were left out for good are tried once more, even if the ledger is the same."""
        for crew in self.crews:
            crew.try_again()

    async def _launch_one(self, token: int) -> Link:
        async with self._starting.setdefault(token, asyncio.Lock()):
            return await self._launch(token, self.kick, self._lost)

    def _lost(self, link: Link, orphans: list[Work]) -> None:
        token = link.failure is not None and link.failure.reason == "token"
        if orphans:
            self._lanes.put_back(orphans, UNAVAILABLE if token else "engine_lost")
        if self._overdue is None and not any(link.signs for link in self.serving):
            self._overdue = asyncio.get_running_loop().call_later(DOWN_SECONDS, self._is_overdue)
        self.kick()

    def _refuse_if_down(self) -> None:
        """A start has failed: with every token like this, nobody waits any longer."""
        if self.crews and not self.serving and all(crew.failing for crew in self.crews):
            self._is_overdue()

    def _is_overdue(self) -> None:
        self._no_longer_overdue()
        self.down = not self.serving
        self.mute = not any(link.signs for link in self.serving)
        if self.down:
            self._lanes.refuse_all(UNAVAILABLE)
        elif self.mute:
            self.kick()

    def _no_longer_overdue(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None

    @property
    def serving(self) -> list[Link]:
        """The engines that take work now."""
        return [link for link in self._pool.links if not link.closing] if self._pool else []

    @property
    def crews(self) -> tuple[Crew, ...]:
        """The tokens, each with its engines."""
        return self._pool.crews if self._pool else ()

    def kick(self) -> None:
        """There is work, or an engine is free: bring them together at the end of this turn of the loop."""
        if not self._kicked and (self._troubled or self._lanes.has(True) or self._lanes.has(False)):
            self._kicked = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._kicked = False
        serving = self.serving
        if self._troubled:
            self._see(serving)
        for now in (True, False):
            if self._lanes.has(now):
                self._hand_out(serving, now)

    @property
    def _troubled(self) -> bool:
        """Whether engines were missing, when it was last looked at."""
        return self.down or self.mute or self._overdue is not None

    def _see(self, serving: list[Link]) -> None:
        if serving:
            self.down = False
        if any(link.signs for link in serving):
            self.mute = False
            self._no_longer_overdue()

    def _hand_out(self, serving: list[Link], now: bool) -> None:
        most = WINDOW if now or not self._lanes.pressed else 1
        while self._lanes.has(now) and (link := _least_loaded(serving, now, most)) is not None:
            work = self._take(now, link.signs)
            if work is not None:
                link.send(work)
            elif link.signs:
                return
            else:  # only signatures can be left
                serving = [other for other in serving if other.signs]

    def _take(self, now: bool, signs: bool) -> Work | None:
        """The next work; while no engine signs, signatures are refused, so that nobody waits for one in vain."""
        while (work := self._lanes.take(now, signs or self.mute)) is not None:
            if signs or work.kind is not Kind.SIGN:
                return work
            work.refused(UNAVAILABLE)
        return None

    async def close(self, seconds: float) -> None:
        """End all engines, after what they are at."""
        self._no_longer_overdue()
        if self._pool is not None:
            await self._pool.close(seconds)
        retiring = dict(self._retiring)
        for pool in retiring:
            for link in pool.links:
                link.kill("the daemon is stopping")
        await asyncio.gather(*retiring.values())


def _order(before: Pool) -> list[int]:
    """In which order tokens are tried at a reload: those that serve go first."""
    return sorted(range(len(before.crews)), key=lambda number: not before.crews[number].links)


def _least_loaded(links: Sequence[Link], now: bool, most: int) -> Link | None:
    free = [link for link in links if link.takes(now, most)]
    return min(free, key=lambda link: link.load) if len(free) > 1 else free[0] if free else None
