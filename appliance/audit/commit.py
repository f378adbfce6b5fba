"""Group commit: one write and one ``fdatasync`` make all records durable that wait at that moment.

`GroupCommit.append` gives a future that is done only when the record is on the disk; the daemon answers nothing before.
The disk work is done in a thread of its own, so the event loop never waits for a disk. One group at a time: what waits
when the thread begins it, and what has come when it is about to sync. When a write fails, everything in the group
fails, further records are refused at once, and a probe (itself a record) tries until writing works again. On a full
disk the log's reserve is given up, so that the loss is recorded at once, and the stop if there is one; the probe takes
the reserve again first.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import NamedTuple

from appliance.audit.entries import Item
from appliance.audit.intake import Intake, Told, Waiting
from appliance.audit.log import AuditLog
from appliance.audit.records import AuditLost, AuditRegained, Record, Stop
from appliance.audit.reserve import FULL
from appliance.errors import KagimoriError

PROBE_SECONDS = 0.5


class _Outcome(NamedTuple):
    """How that went: so many records of the group are durable, from ``first`` on; ``failure`` is why not all are."""

    group: list[Waiting]
    probe: bool
    first: int
    written: int
    failure: str | None
    condemned: str | None


class GroupCommit:
    """The only writer of an `AuditLog` while the daemon runs. Use it from the event loop's thread.

    ``on_change`` is told when writing stops working (with the reason) and when it works again (None); ``on_group``, in
    the writer's thread, of each group that is durable: how many records, and the seconds that the disk took to sync.
    ``on_written`` is called in the writer's thread with the first number and the items of each group that is durable;
    if it fails, the group is answered all the same, and nothing more is written: see `condemn`.
    """

    def __init__(
        self, log: AuditLog, *, on_written: Callable[[int, Sequence[Item]], None] = lambda first, items: None
    ) -> None:
        self.available = True
        self.on_change: Callable[[str | None], None] = lambda trouble: None
        self.on_group: Callable[[int, float], None] = lambda count, seconds: None
        self.on_written = on_written
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._intake = Intake()
        self._busy = self._probing = self._condemned = False
        self._lost = 0
        self._begin: SimpleQueue[Callable[[], _Outcome] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    @property
    def records(self) -> int:
        """How many records are durable."""
        return self._log.size

    def append(
        self, record: Record, tags: bytes = b"", tag_key: str | None = None, told: Told | None = None
    ) -> asyncio.Future[int]:
        """Queue a record, with the subject tags of its numbers; the future gives its number once it is durable.

        Whoever waits for the future may give up: the record is written all the same, and ``told`` hears in any case
        whether it is durable. While writing does not work, a `Stop` is tried all the same.

        Raises (from the future):
            AuditUnavailable: it could not be written.
        """
        waiting = Waiting(Item(record, tags, tag_key), self._loop.create_future(), told)
        if not self.available and not isinstance(record, Stop):
            self._refuse([waiting])
            return waiting.future
        if not self._intake and not self._busy:
            self._loop.call_soon(self._send)
        self._intake.put(waiting)
        return waiting.future

    def condemn(self, reason: str) -> None:
        """Stop for good: what was found makes the log unusable until somebody has looked at it."""
        if not self._condemned:
            self._condemned = True
            self._lose(reason)

    def _send(self) -> None:
        """Have the thread begin, if there is something for it to do and it does nothing."""
        if self._busy:
            return
        if self._probing:
            self._probing = False
            future: asyncio.Future[int] = self._loop.create_future()
            probe = Waiting(Item(AuditRegained(lost=self._lost)), future, None)
            self._start(lambda: self._write([probe], probe=True))
        elif self._intake:
            self._start(lambda: self._write(self._intake.take()))

    def _start(self, writing: Callable[[], _Outcome]) -> None:
        self._busy = True
        self._begin.put(writing)

    def _run(self) -> None:
        """The thread: write what it is told to, report to the event loop."""
        while (writing := self._begin.get()) is not None:
            outcome = writing()
            with contextlib.suppress(RuntimeError):  # the loop may be closed already
                self._loop.call_soon_threadsafe(self._written, outcome)

    def _write(self, group: list[Waiting], *, probe: bool = False) -> _Outcome:
        """Write a group; all but a probe, which needs the reserve to be taken first, can be joined meanwhile."""
        first, failure, full = self._log.next_record, None, False
        items = [waiting.item for waiting in group]

        def late(most: int) -> list[Item]:
            joined = [] if probe else self._intake.join(group, most)
            group.extend(joined)
            more = [waiting.item for waiting in joined]
            items.extend(more)
            return more

        synced = self._log.sync_seconds
        try:
            if probe:
                self._log.reserve.take()
            self._log.append(items, late)
        except OSError as error:
            failure, full = error.strerror or type(error).__name__, error.errno in FULL
        except KagimoriError as error:
            failure = error.message
        except Exception as error:  # a dead writer thread would hang every request
            failure = type(error).__name__
        written = self._log.next_record - first
        if written:
            self.on_group(written, self._log.sync_seconds - synced)
        condemned = self._tell(first, items[:written])
        if full and self.available:
            condemned = self._last_words(str(failure)) or condemned
        return _Outcome(group, probe, first, written, failure, condemned)

    def _tell(self, first: int, items: list[Item]) -> str | None:
        """Tell what is durable; why that failed, None if it did not."""
        if not items:
            return None
        try:
            self.on_written(first, items)
        except Exception as error:
            return error.message if isinstance(error, KagimoriError) else type(error).__name__
        return None

    def _last_words(self, reason: str) -> str | None:
        """Record the loss into the space that was held in reserve; as `_tell`."""
        lost = Item(AuditLost(reason=reason))
        try:
            self._log.reserve.give_up()
            first = self._log.append([lost])
        except Exception:  # somebody else took the space: nothing can be recorded
            return None
        return self._tell(first, [lost])

    def _written(self, outcome: _Outcome) -> None:
        self._busy = False
        group, written = outcome.group, outcome.written
        for number, waiting in enumerate(group[:written], outcome.first):
            waiting.durable(number)
        if outcome.condemned is not None:
            self.condemn(outcome.condemned)
        if outcome.failure is not None:
            self._fail(outcome, outcome.failure)
        elif outcome.probe:
            self._regain(group[0])
        self._send()

    def _regain(self, probe: Waiting) -> None:
        record = probe.item.record
        self._lost -= record.lost if isinstance(record, AuditRegained) else 0
        if not self._condemned:
            self.available = True
            self.on_change(None)

    def _fail(self, outcome: _Outcome, failure: str) -> None:
        """Refuse what was not written. As long as writing does not work, one probe follows another."""
        lost = outcome.group[outcome.written :]
        if outcome.probe or self.available:
            self._loop.call_later(PROBE_SECONDS, self._probe)
        if self.available:
            self._intake.put_first(lost)
            self._lose(failure)
        else:
            self._refuse(lost)

    def _lose(self, reason: str) -> None:
        """Refuse what waits, except a stop: there may be room for that one record."""
        waiting = self._intake.take_all()
        self._intake.put_first([one for one in waiting if isinstance(one.item.record, Stop)])
        self._refuse([one for one in waiting if not isinstance(one.item.record, Stop)])
        self.available = False
        self.on_change(reason)

    def _refuse(self, waiting: list[Waiting]) -> None:
        self._lost += sum(not isinstance(one.item.record, AuditRegained) for one in waiting)
        for one in waiting:
            one.refused()

    def _probe(self) -> None:
        if not self._condemned:
            self._probing = True
            self._send()

    async def close(self, seconds: float) -> None:
        """Wait (at most that long) for what is queued, and end the thread."""
        deadline = self._loop.time() + seconds
        while (self._busy or self._intake) and self._loop.time() < deadline:
            await asyncio.sleep(0.005)
        self._begin.put(None)
        await asyncio.to_thread(self._thread.join, max(0.0, deadline - self._loop.time()))
