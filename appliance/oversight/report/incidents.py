"""What happened to the service and to its clock: starts and stops, engines, the log itself, gaps between records."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from appliance.audit import records
from appliance.audit.records import Record
from appliance.oversight.report.moments import Clock, Local, seconds_between
from appliance.oversight.report.tallies import Backwards, Event, Gap, Mark

LATEST_EVENTS = 400
MOST_BACKWARDS = 64
SHORTEST_GAP = 3_600.0  # seconds

_DETAILS: dict[type[Any], Callable[[Any], str]] = {
    records.Start: lambda record: record.version,
    records.Stop: lambda record: record.reason,
    records.LedgerLoaded: lambda record: f"{record.sequence} {record.head[:16]}",
    records.LedgerRefused: lambda record: record.reason,
    records.EngineLost: lambda record: record.reason,
    records.EngineRegained: lambda record: "",
    records.Repair: lambda record: str(record.removed),
    records.AuditLost: lambda record: record.reason,
    records.AuditRegained: lambda record: str(record.lost),
    records.Pruned: lambda record: str(record.first),
    records.Ceremony: lambda record: f"{record.sequence} {record.title}",
}


class Incidents:
    """The newest events, steps back of the clock, and every gap of an hour or more (there are fewer than hours)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.events: deque[Event] = deque(maxlen=LATEST_EVENTS)
        self.all_events = 0
        self.crashes: deque[Event] = deque(maxlen=LATEST_EVENTS)
        self.backwards: deque[Backwards] = deque(maxlen=MOST_BACKWARDS)
        self.all_backwards = 0
        self.lost_records = 0
        self.ceremonies: dict[int, records.Ceremony] = {}
        self.busy: set[int] = set()
        self.gaps: list[Gap] = []
        self._before: Mark | None = None
        self._running: bool | None = None

    def take(self, record: Record, at: Local, *, inside: bool) -> None:
        """One record more; ``inside``: whether it lies in the period."""
        mark = Mark(record.record, record.time)
        if inside:
            self.busy.add(at.position)
            self._compare(mark)
        self._before = mark
        detail = _DETAILS.get(type(record))
        if detail is not None:
            self._event(record, Event(str(type(record).__struct_config__.tag), mark, detail(record)), inside)

    def _compare(self, mark: Mark) -> None:
        """With the record before: its time cannot be later, and is mostly hardly earlier."""
        before = self._before
        if before is None or (mark.time[:13] == before.time[:13] and mark.time >= before.time):
            return
        seconds = seconds_between(before.time, mark.time)
        if seconds < 0:
            self.all_backwards += 1
            self.backwards.append(Backwards(before, mark, -seconds))
        elif seconds >= SHORTEST_GAP:
            self.gaps.append(Gap(before, mark, seconds, stopped=self._running is False))

    def _event(self, record: Record, event: Event, inside: bool) -> None:
        if inside:
            self.events.append(event)
            self.all_events += 1
            self._note(record, event)
        if isinstance(record, records.Ceremony):
            self.ceremonies.setdefault(record.sequence, record)
        if isinstance(record, records.Start):
            self._running = True
        elif isinstance(record, records.Stop):
            self._running = False

    def _note(self, record: Record, event: Event) -> None:
        if isinstance(record, records.Start) and self._running:
            self.crashes.append(event)
        elif isinstance(record, records.AuditRegained):
            self.lost_records += record.lost
