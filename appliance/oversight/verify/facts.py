"""What many records add up to, in order, small enough to be told from one process to another.

Conversions, look-ups and marks with equal terms become one `Use`; between two of them stand the few records that change
what is allowed (starts, ledgers, pruning …). Nothing that depends on what came before is judged here.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from appliance.audit import records
from appliance.audit.records import Record
from appliance.oversight.authentic import place_of
from appliance.oversight.verify.findings import Findings
from appliance.tlog.tiles import Tile

CLOCK_SLACK = timedelta(seconds=5)  # a clock that is kept right by small steps is no finding
_MILESTONES = (
    records.Start,
    records.Stop,
    records.LedgerLoaded,
    records.Ceremony,
    records.Repair,
    records.AuditLost,
    records.AuditRegained,
    records.Pruned,
)


class Terms(NamedTuple):
    """On what terms something was done; ``target`` None: a history was looked up, or marked. ``order``: a digest."""

    role: str
    source: str
    target: str | None
    purpose: str | None
    tag_key: str | None
    order: str | None


class Use(NamedTuple):
    """All that was done on the same terms between two milestones.

    ``record``: the first one; ``numbers``: how many were asked about; ``largest``: the most in one request that was
    no stream; ``first``, ``last``: times.
    """

    record: int
    records: int
    numbers: int
    largest: int
    first: str
    last: str


_Terms = tuple[str, str, str | None, str | None, str | None, str | None]


class _Sum:
    """A `Use` that grows; millions of records go through here."""

    __slots__ = ("first", "largest", "last", "numbers", "record", "records")

    def __init__(self, record: int, numbers: int, largest: int, time: str) -> None:
        self.record, self.records, self.numbers, self.largest = record, 1, numbers, largest
        self.first = self.last = time

    def whole(self) -> Use:
        return Use(self.record, self.records, self.numbers, self.largest, self.first, self.last)


Place = tuple[Tile, int]  # bundle, and place in it
Uses = dict[Terms, Use]
Event = Record | Uses


class Facts:
    """Takes records one after the other; ``events`` is what they add up to, ``first`` and ``latest`` their times."""

    def __init__(self, findings: Findings) -> None:
        self.events: list[Event] = []
        self.first = ""
        self.latest = ""
        self.latest_record = 0
        self._findings = findings
        self._uses: dict[_Terms, _Sum] = {}

    def take(self, record: Record, place: Place) -> None:
        """One record more; ``place`` says where it stands."""
        time = record.time
        if time >= self.latest:
            self.latest, self.latest_record = time, record.record
        else:
            self._back(record, place)
        if isinstance(record, records.Conversion):
            self._require_sums(record, place)
            count, stream = record.count, record.stream
            on = (record.role, record.source, record.target, record.purpose, record.tag_key, record.order)
            self._add(on, record.record, count, count if stream is None else 0, time)
        elif isinstance(record, records.HistoryRead | records.NotRecognised):
            self._add((record.role, record.source, None, None, None, None), record.record, 1, 1, time)
        elif isinstance(record, _MILESTONES):
            self.close()
            self.events.append(record)
        self.first = self.first or time

    def _back(self, record: Record, place: Place) -> None:
        """A time before the latest one: within the slack, or a finding."""
        problem = backwards(self.latest_record, self.latest, record.time)
        if problem is not None:
            self._findings.add(place_of(*place), problem)
            self.latest, self.latest_record = record.time, record.record

    def _require_sums(self, record: records.Conversion, place: Place) -> None:
        converted, tags = record.converted, record.tags
        if converted + record.malformed + record.unknown != record.count:
            what = "converted, malformed and unknown numbers are not as many as were asked about"
            self._findings.add(place_of(*place), what)
        if (tags is None) is not (converted == 0) or (tags is None) is not (record.tag_key is None):
            what = "subject tags must be there for converted numbers, and for no others"
            self._findings.add(place_of(*place), what)

    def _add(self, on: _Terms, record: int, numbers: int, largest: int, time: str) -> None:
        use = self._uses.get(on)
        if use is None:
            self._uses[on] = _Sum(record, numbers, largest, time)
            return
        use.records += 1
        use.numbers += numbers
        use.last = time
        use.largest = max(use.largest, largest)

    def close(self) -> None:
        """Put the uses so far among the events."""
        if self._uses:
            self.events.append({Terms(*on): use.whole() for on, use in self._uses.items()})
            self._uses = {}


def backwards(record: int, latest: str, time: str) -> str | None:
    """What is wrong with a time that is before ``latest``; None: it is within the slack."""
    try:
        step = datetime.fromisoformat(latest) - datetime.fromisoformat(time)
    except ValueError:
        return f"its time is {time}, which is no time, or follows one that is none"
    if step <= CLOCK_SLACK:
        return None
    return f"its time is {time}, {step} before that of record {record} ({latest}): a clock was set back"
