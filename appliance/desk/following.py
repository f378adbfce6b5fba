"""Following log, daemon and ceremonies; whatever fails is said with its time, and the last view stays.

Of everything there is one `Standing`, replaced as a whole in the event loop, where pages are made as well: no page is
made of two of them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from appliance.desk.ceremonies import CeremonyTool
from appliance.desk.errors import AlarmStands, DeskError
from appliance.desk.looking import Looking, View
from appliance.desk.onerecord import Proven, Reader
from appliance.desk.standing import Part, Standing, Trouble
from appliance.errors import KagimoriError
from appliance.hubkit.client import Client
from appliance.ledger.errors import LedgerError
from appliance.oversight.copy import Copy
from appliance.oversight.errors import CheckpointRefused, PieceWrong, RecordWrong, WitnessAlarmed
from appliance.oversight.remote import Remote
from appliance.tlog.errors import TlogError
from appliance.web import log

PATIENCE = 30.0  # seconds that one piece of the log may take
RECORD_PATIENCE = 5.0  # seconds that a page waits for a look to end
_ALARMS = (AlarmStands, CheckpointRefused, LedgerError, PieceWrong, RecordWrong, TlogError, WitnessAlarmed)


class Following:
    """The background work. ``standing`` is what the pages show; ``reading``: records counted so far, of how many."""

    def __init__(
        self,
        looking: Looking,
        client: Client,
        tool: CeremonyTool | None,
        every: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.standing = Standing(began=now())
        self.reading = 0, 0
        self._looking = looking
        self._client = client
        self._remote = Remote(client)
        self._tool = tool
        self._every = every
        self._now = now
        self._lock = asyncio.Lock()
        self._ended = False

    async def run(self) -> None:
        """Until it is cancelled: the copy that is there, then a look at everything, again and again."""
        try:
            await self._try("log", self._begin)
            while True:
                await self.look()
                await asyncio.sleep(self._every)
        finally:
            self._ended = True

    async def look(self) -> None:
        """One look at everything; what fails is a trouble, and the rest is looked at all the same."""
        await asyncio.gather(self._try("log", self._log), self._try("ceremony", self._ceremonies))
        await self._try("daemon", self._daemon)

    async def record(self, number: int) -> Proven:
        """One record, proven under the copy's checkpoint.

        Raises:
            KagimoriError: (a subclass) there is none, it is not the log's, or the copy is being written for long.
        """
        view = self.standing.view
        if view is None:
            raise DeskError("nothing has been read yet", "wait for the first view")
        try:
            async with asyncio.timeout(RECORD_PATIENCE):
                await self._lock.acquire()
        except TimeoutError:
            raise DeskError("the copy is being brought up to date", "try again in a while") from None
        try:
            return await asyncio.to_thread(self._read, view, number)
        finally:
            self._lock.release()

    def _read(self, view: View, number: int) -> Proven:
        return Reader(Copy(self._looking.copy_folder), view.evidence.trust).read(number)

    async def _try(self, part: Part, work: Callable[[], Any]) -> None:
        before = self.standing.troubles.get(part)
        try:
            await work()
        except (KagimoriError, OSError) as error:
            self._set(part, _trouble(part, self._now() if before is None else before.since, error))
        except Exception as fault:
            log.defect(fault)
            told = DeskError(f"a defect of Kagimori: {type(fault).__name__}", "please report it; stderr says where")
            self._set(part, _trouble(part, self._now() if before is None else before.since, told))
        else:
            self._set(part, None)

    def _set(self, part: Part, trouble: Trouble | None) -> None:
        others = {name: one for name, one in self.standing.troubles.items() if name != part}
        self.standing = replace(self.standing, troubles=others if trouble is None else {**others, part: trouble})

    async def _begin(self) -> None:
        async with self._lock:
            view = await asyncio.to_thread(self._looking.from_copy, self._show)
            self.standing = replace(self.standing, view=view)

    async def _log(self) -> None:
        self._looking.require_calm()
        async with self._lock:
            view = await asyncio.to_thread(self._looking.at, self._remote, self._show)
            self.standing = replace(self.standing, view=view, fresh=self._now())

    def _show(self, done: int, whole: int) -> None:
        """How far the thread is that reads, which asks here as well whether it shall go on."""
        if self._ended:
            raise DeskError("the desk is being stopped")
        self.reading = done, whole

    async def _daemon(self) -> None:
        said = await asyncio.to_thread(self._client.status)
        self.standing = replace(self.standing, status=said)

    async def _ceremonies(self) -> None:
        asked = self.standing.asked
        if self._tool is None or (asked is not None and (self._now() - asked).total_seconds() < self._tool.every):
            return
        found = await self._tool.look()
        self.standing = replace(self.standing, ceremonies=found, asked=self._now())


def _trouble(part: Part, since: datetime, error: KagimoriError | OSError) -> Trouble:
    if isinstance(error, KagimoriError):
        return Trouble(part, since, error.message, error.hint or "", isinstance(error, _ALARMS))
    return Trouble(part, since, os.strerror(error.errno) if error.errno else "input or output", "", False)
