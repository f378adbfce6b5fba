"""Group commit: one write and one ``fdatasync`` make all records durable that wait at that moment.

`GroupCommit.append` gives a future that is done only when the record is on the disk; the daemon
answers nothing before. The disk work is done in a thread of its own, one group at a time, so the
event loop never waits for a disk. When a write fails, everything in the group fails, further records
are refused at once, and a probe (itself a record) tries until writing works again.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from queue import SimpleQueue

from appliance.audit import records
from appliance.audit.errors import AuditUnavailable
from appliance.audit.store import AuditStore

PROBE_SECONDS = 0.5
LARGEST_GROUP = 4_096

_Waiting = tuple[records.Record, "asyncio.Future[int]"]


class GroupCommit:
    """The only writer of an `AuditStore` while the daemon runs. Use it from the event loop's thread.

    ``on_change`` is told when writing stops working (with the reason) and when it works again (None).
    """

    def __init__(self, store: AuditStore) -> None:
        self.available = True
        self.on_change: Callable[[str | None], None] = lambda trouble: None
        self.records = store.next_record - 1
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._waiting: list[_Waiting] = []
        self._busy = False
        self._lost = 0
        self._groups: SimpleQueue[list[_Waiting] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def append(self, record: records.Record) -> asyncio.Future[int]:
        """Queue a record; the future gives its number once it is durable.

        Raises (from the future):
            AuditUnavailable: it could not be written.
        """
        future: asyncio.Future[int] = self._loop.create_future()
        if not self.available:
            self._lost += 1
            future.set_exception(_unavailable())
            return future
        self._put(record, future)
        return future

    def _put(self, record: records.Record, future: asyncio.Future[int]) -> None:
        if not self._waiting and not self._busy:
            self._loop.call_soon(self._send)
        self._waiting.append((record, future))

    def _send(self) -> None:
        if self._busy or not self._waiting:
            return
        group, self._waiting = self._waiting[:LARGEST_GROUP], self._waiting[LARGEST_GROUP:]
        self._busy = True
        self._groups.put(group)

    def _run(self) -> None:
        """The thread: write each group, report to the event loop."""
        while (group := self._groups.get()) is not None:
            first = self._store.next_record
            failure = None
            try:
                self._store.append(_render(group, first), len(group))
            except OSError as error:
                failure = error.strerror or type(error).__name__
            except Exception as error:  # a dead writer thread would hang every request
                failure = type(error).__name__
            with contextlib.suppress(RuntimeError):  # the loop may be closed already
                self._loop.call_soon_threadsafe(self._written, group, first, failure)

    def _written(self, group: list[_Waiting], first: int, failure: str | None) -> None:
        self._busy = False
        if failure is not None:
            self._fail(group, failure)
            return
        self.records = first + len(group) - 1
        if not self.available:
            self.available = True
            self._lost -= sum(record.lost for record, _ in group if isinstance(record, records.AuditRegained))
            self.on_change(None)
        for number, (_, future) in enumerate(group, first):
            if not future.done():
                future.set_result(number)
        self._send()

    def _fail(self, group: list[_Waiting], failure: str) -> None:
        group, self._waiting = group + self._waiting, []
        self._lost += sum(not isinstance(record, records.AuditRegained) for record, _ in group)
        for _, future in group:
            if not future.done():
                future.set_exception(_unavailable())
        if self.available:
            self.available = False
            self.on_change(failure)
        self._loop.call_later(PROBE_SECONDS, self._probe)

    def _probe(self) -> None:
        future: asyncio.Future[int] = self._loop.create_future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._put(records.AuditRegained(lost=self._lost), future)

    async def close(self, seconds: float) -> None:
        """Wait (at most that long) for what is queued, and end the thread."""
        deadline = self._loop.time() + seconds
        while (self._busy or self._waiting) and self._loop.time() < deadline:
            await asyncio.sleep(0.005)
        self._groups.put(None)
        await asyncio.to_thread(self._thread.join, max(0.0, deadline - self._loop.time()))


def _render(group: list[_Waiting], first: int) -> bytes:
    time = datetime.now(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
    lines = []
    for number, (record, _) in enumerate(group, first):
        record.record = number
        record.time = time
        lines.append(records.encode(record))
    lines.append(b"")
    return b"\n".join(lines)


def _unavailable() -> AuditUnavailable:
    return AuditUnavailable("the audit record could not be written", "look at the daemon's log and the audit disk")
