"""What the daemon does for its log beside serving: read old records again, remove expired ones, save the counts.

Reading is done in a thread of low priority, a piece at a time. Damage found there means that the log is not what was
signed; then nothing is converted any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from appliance.audit import records
from appliance.audit import tally as tallies
from appliance.audit.errors import AuditError
from appliance.audit.log import AuditLog
from appliance.audit.scrub import Scrub
from appliance.audit.tagindex.index import TagIndex
from appliance.audit.tally import Tally
from appliance.daemon import log
from appliance.daemon.problems import Problem

NICENESS = 15
SCRUB_PAUSE_SECONDS = 0.05
SAVE_SECONDS = 60.0
SAVE_LIMIT_SECONDS = 3.0
PRUNE_SECONDS = 3_600.0


class Upkeep:
    """``record`` makes a record durable and under a checkpoint; ``damaged`` is told what was found broken."""

    def __init__(
        self,
        audit: AuditLog,
        index: TagIndex,
        tally: Tally,
        retention_days: int,
        record: Callable[[records.Record], Awaitable[object]],
        damaged: Callable[[AuditError], None],
    ) -> None:
        self._audit = audit
        self._index = index
        self._tally = tally
        self._retention = timedelta(days=retention_days)
        self._record = record
        self._damaged = damaged
        self._worker = ThreadPoolExecutor(1, "upkeep", initializer=_lower_priority)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        for work in (self._scrub, self._save, self._prune):
            self._tasks.append(asyncio.create_task(work()))

    async def close(self) -> None:
        """End, and save the counts."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._worker.shutdown(wait=True, cancel_futures=True)
        await self._save_now()

    async def _scrub(self) -> None:
        loop = asyncio.get_running_loop()
        scrub = Scrub(self._audit)
        try:
            while await loop.run_in_executor(self._worker, scrub.step):
                await asyncio.sleep(SCRUB_PAUSE_SECONDS)
        except AuditError as error:
            self._damaged(error)
        except OSError as error:
            log.error("old records could not be read again", reason=error.strerror or type(error).__name__)

    async def _save(self) -> None:
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            await self._save_now()

    async def _save_now(self) -> None:
        """In a thread: a disk that hangs must not hold up the event loop."""
        try:
            async with asyncio.timeout(SAVE_LIMIT_SECONDS):
                await asyncio.to_thread(tallies.save, self._audit.directory, self._tally.snapshot())
        except (OSError, TimeoutError) as error:
            reason = getattr(error, "strerror", None) or "the disk does not answer"
            log.warning("the counts could not be saved; they are counted anew at the next start", reason=reason)

    async def _prune(self) -> None:
        while True:
            try:
                await self._prune_once()
            except Problem:
                pass  # nothing can be recorded or signed now; the next time, then
            except AuditError as error:
                self._damaged(error)
                return
            except OSError as error:
                log.error("expired records could not be removed", reason=error.strerror or type(error).__name__)
            await asyncio.sleep(PRUNE_SECONDS)

    async def _prune_once(self) -> None:
        await asyncio.to_thread(self._audit.prune)  # what a removal before left over
        before = (datetime.now(UTC) - self._retention).isoformat(timespec="microseconds")[:-6] + "Z"
        first = await asyncio.to_thread(self._audit.expired, before)
        if first is None:
            return
        await self._record(records.Pruned(first=first))
        await asyncio.to_thread(self._remove, first)
        log.info("expired records were removed; their hashes stay", first=first)

    def _remove(self, first: int) -> None:
        self._index.prune(first)
        self._audit.prune()


def _lower_priority() -> None:
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
