"""The engines of one token under one ledger: every place is filled, and filled again when its engine ends.

What repeating cannot mend (a wrong PIN, a refused ledger, a bad configuration, a wrong key) is not repeated: the token
is left out for good. Anything else is (`appliance.engine.patience`): a token that is gone without end, a start that
crashes so many times. Whether a token without hope ends the daemon is not decided here; as long as another token
serves, or may come back, it does not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from appliance.engine.frames import Failed
from appliance.engine.link import EngineFailed, Link, defect
from appliance.engine.patience import Patience

FATAL = frozenset({"configuration", "ledger", "pin", "keys"})


@dataclass(frozen=True)
class Places:
    """How many engines a token gets. ``number``: 0 is ``[token]``, from 1 on the ``[[clone]]`` tables in order."""

    number: int
    label: str
    processes: int


@dataclass(frozen=True)
class LeftOut:
    """Why a token has no new engine now. ``since``: POSIX; ``for_good``: until the ledger is loaded anew."""

    since: float
    failure: Failed
    for_good: bool


class LedgerMoved(EngineFailed):
    """The engine verified another ledger than the daemon: the folder changed between the two."""

    def __init__(self) -> None:
        super().__init__(
            Failed(reason="token", message="the ledger changed during the start", hint="start again", exit_code=4)
        )


class GivenUp(EngineFailed):
    """No engine of this token will be started any more under this ledger."""


class Owner(Protocol):
    """Whom the engines of a token belong to (`appliance.engine.supervisor.Pool`)."""

    head: str
    closing: bool
    given_up: Failed | None

    def ready(self) -> None:
        """One more engine serves."""

    def engine_lost(self, link: Link, why: str) -> None:
        """An engine is gone that nobody asked to go."""

    def engine_regained(self, pid: int) -> None:
        """Another one serves in its place."""

    def ledger_moved(self) -> None:
        """A new engine found a newer ledger."""

    def start_failed(self) -> None:
        """A token's engine could not be started (`Crew.failing`)."""

    def left_out(self, label: str, why: LeftOut) -> None:
        """A token has no engine now, or gets no new one any more."""

    def back(self, label: str) -> None:
        """It has one again."""

    def hopeless(self, failure: Failed) -> None:
        """By itself a token would be given up now."""


class Crew:
    """The engines of one token. ``links``: those that serve; ``hopeless``: why there is no use in going on with it.

    ``failing``: its last start came to nothing, so that its next engine may be long in coming.
    """

    def __init__(self, places: Places, owner: Owner, launch: Callable[[], Awaitable[Link]]) -> None:
        self.places = places
        self.links: list[Link] = []
        self.left_out: LeftOut | None = None
        self.hopeless: Failed | None = None
        self.failing = False
        self._owner = owner
        self._launch = launch
        self._keepers: list[asyncio.Task[None]] = []
        self._starting = asyncio.Lock()
        self._filling = asyncio.Lock()  # one place at a time, its pauses included: for a token that is gone, one tries
        self._failures = 0  # before the places were opened
        self._last: Failed = defect("no engine was started yet")

    def take_over(self, before: Crew) -> None:
        """A token that was left out under the ledger before is still left out, until it serves again."""
        if before.left_out is not None:
            self.left_out = replace(before.left_out, for_good=False)

    async def first(self) -> Link:
        """Start one engine, before any place is filled.

        Raises:
            EngineFailed: it does not serve.
        """
        try:
            link = await self._start_one()
        except LedgerMoved:
            raise
        except EngineFailed as error:
            self._failures, self._last = 1, error.failure
            raise
        self._enter(link)
        return link

    def open(self) -> None:
        """Fill all places, those that `first` has filled excepted, and keep them filled."""
        if self._failures and self._last.reason in FATAL:
            self._leave_out_for_good(self._last)
            return
        taken = tuple(self.links)
        self._fill_places(taken, self.places.processes - len(taken))

    def try_again(self) -> None:
        """Somebody says that what was in the way may be mended: what was left out for good is tried once more."""
        if self.left_out is not None and self.left_out.for_good and not self._owner.closing:
            self.left_out = replace(self.left_out, for_good=False)
            self.hopeless, self._failures = None, 0
            self._keepers = [keeper for keeper in self._keepers if not keeper.done()]
            self._fill_places((), self.places.processes - len(self._keepers))

    def _fill_places(self, taken: tuple[Link, ...], empty: int) -> None:
        links: tuple[Link | None, ...] = (*taken, *(None for _ in range(empty)))
        self._keepers += [asyncio.create_task(self._keep(link)) for link in links]

    def stop(self) -> None:
        """Keep no place filled any more; the engines are the owner's to end."""
        for keeper in self._keepers:
            keeper.cancel()

    async def stopped(self) -> None:
        """Wait until no engine is being started any more."""
        await asyncio.gather(*self._keepers, return_exceptions=True)

    async def _start_one(self) -> Link:
        async with self._starting:
            if (over := self._over) is not None:
                raise GivenUp(over)
            link = await self._launch()
        if link.hello.head != self._owner.head:
            link.close()
            await link.wait_end()
            raise LedgerMoved
        return link

    @property
    def _over(self) -> Failed | None:
        """Why no engine is started any more: not for another place of this token, either."""
        for_good = self.left_out is not None and self.left_out.for_good
        return self._owner.given_up or (self.hopeless if for_good else None)

    async def _keep(self, link: Link | None) -> None:
        """One engine's place: fill it, wait until the engine ends, fill it again."""
        patience = Patience(0 if link else self._failures)
        lost = False
        while True:
            if link is None:
                try:
                    async with self._filling:
                        link = await self._fill(patience)
                except GivenUp:
                    return
                if lost:
                    self._owner.engine_regained(link.hello.pid)
            why = await link.wait_end()
            self.links = [other for other in self.links if other is not link]
            if self._owner.closing:
                return
            self._owner.engine_lost(link, why)
            self._last = link.failure or defect(why)
            patience.ended(asyncio.get_running_loop().time() - link.started)
            link, lost = None, True

    async def _fill(self, patience: Patience) -> Link:
        while True:
            if patience.failures > 1:  # engines that start, and die as soon as they have work
                self._leave_out()
            await asyncio.sleep(patience.pause)
            try:
                link = await self._start_one()
            except GivenUp:
                raise
            except LedgerMoved as moved:
                patience.start_failed(moved.failure)
                self._owner.ledger_moved()
            except EngineFailed as error:
                patience.start_failed(error.failure)
                self._judge(error.failure, patience)
            else:
                patience.served()
                self._enter(link)
                self._owner.ready()
                return link

    def _judge(self, failure: Failed, patience: Patience) -> None:
        """After a start that failed: go on, or GivenUp."""
        self._last, self.failing = failure, True
        self.hopeless = failure if failure.reason in FATAL else _crash_loop(patience, failure)
        if self.hopeless is None:
            self._leave_out()
        else:
            self._give_up(self.hopeless)
        self._owner.start_failed()

    def _give_up(self, hopeless: Failed) -> None:
        """Unless another token has hope; even then, what repeating cannot mend is not repeated."""
        self._owner.hopeless(hopeless)
        if self._owner.given_up is not None:
            raise GivenUp(self._owner.given_up)
        if hopeless.reason in FATAL:
            self._leave_out_for_good(hopeless)
            raise GivenUp(hopeless)

    def _enter(self, link: Link) -> None:
        self.links.append(link)
        self.failing = False
        if self.left_out is None or not self.left_out.for_good:
            self.hopeless = None
            if self.left_out is not None:
                self.left_out = None
                self._owner.back(self.places.label)

    def _leave_out(self) -> None:
        """Unless another of its engines serves."""
        if self.left_out is None and not self.links:
            self.left_out = LeftOut(time.time(), self._last, for_good=False)
            self._owner.left_out(self.places.label, self.left_out)

    def _leave_out_for_good(self, failure: Failed) -> None:
        self.hopeless = failure
        since = time.time() if self.left_out is None else self.left_out.since
        self.left_out = LeftOut(since, failure, for_good=True)
        self._owner.left_out(self.places.label, self.left_out)


def _crash_loop(patience: Patience, last: Failed) -> Failed | None:
    """Why no engine is started any more, if so many starts have failed; never while the token is gone."""
    if not patience.over:
        return None
    return Failed(
        reason="defect",
        message=f"{patience.defects} engines failed one after another; the last: {last.message}",
        hint="try the token and its module with the maker's own tool, then start the daemon again",
        exit_code=last.exit_code,
    )
