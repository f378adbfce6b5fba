"""What a log adds up to: one pass over its records, folded into hours and days.

What is kept grows with days, callers and orders, never with records; where a log names more of something than
any honest one would, the rest is counted under `REST`. Nothing here is a judgement: `unusual` judges.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Container
from typing import Any, TypeVar, cast

from appliance.audit import records
from appliance.audit.records import Record
from appliance.numbers.domains import DomainError, Generation
from appliance.oversight.report.incidents import Incidents
from appliance.oversight.report.moments import Clock, Local
from appliance.oversight.report.tallies import (
    Caller,
    Day,
    Disclosure,
    DisclosureKey,
    Hour,
    LookUp,
    Mark,
    Marked,
    OrderUse,
    Use,
    Volume,
    Who,
)

MOST_CALLERS = 256
MOST_NAMES = 1_024
MOST_ORDERS = 4_096
MOST_DISCLOSURES = 4_096
LATEST_LOOKUPS = 10
MOST_MARKS = 1_000
REFERENCES = 3
REST = "…"
NOBODY = Who(REST, -1)
EVER = (0, 10**7)

_Peer = records.Conversion | records.Refusal | records.HistoryRead | records.NotRecognised | records.StreamClosed
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Statistics:
    """The sums over a period. ``disclosing``: the domains from which all numbers of a person follow.

    ``period``: first and last day that count. What lies outside is only asked for who was there before.
    ``log_began``, ``log_ended``: the days of the log's first and last record, in the period or not.
    """

    def __init__(self, clock: Clock, disclosing: Container[str] = (), period: tuple[int, int] = EVER) -> None:
        self.clock = clock
        self.records = 0
        self.log_began: int | None = None
        self.log_ended = 0
        self.first: Mark | None = None
        self.last: Mark | None = None
        self.kinds: Counter[str] = Counter()
        self.total = Volume()
        self.pairs: dict[tuple[str, str], Volume] = {}
        self.uses: dict[tuple[str, str], Use] = {}
        self.days: dict[int, Day] = {}
        self.week = [0] * (7 * 24)
        self.callers: dict[Who, Caller] = {}
        self.refusals: dict[tuple[Who, str], int] = {}
        self.orders: dict[str, OrderUse] = {}
        self.disclosures: dict[DisclosureKey, Disclosure] = {}
        self.lookups: deque[LookUp] = deque(maxlen=LATEST_LOOKUPS)
        self._marks: dict[int, Marked] = {}  # by the record that is marked, the one marked last at the end
        self.cut_streams = 0
        self.incidents = Incidents(clock)
        self._disclosing = disclosing
        self._from, self._until = period
        self._domains: dict[str, str] = {}
        self._day = (0, Day())
        self._handlers: dict[type[Any], Callable[[Any, Local], None]] = {
            records.Conversion: self._conversion,
            records.Refusal: self._refusal,
            records.HistoryRead: self._history,
            records.NotRecognised: self._not_recognised,
            records.StreamClosed: self._stream,
        }

    @property
    def marks(self) -> tuple[Marked, ...]:
        """What people did not recognise, each record once, the one marked last at the end; the newest `MOST_MARKS`."""
        return tuple(self._marks.values())

    def take(self, record: Record) -> None:
        """One record more, in the order of the log.

        Raises:
            ValueError: its time is no time.
        """
        at = self.clock.at(record.time)
        if self.log_began is None:
            self.log_began = at.day
        self.log_ended = max(self.log_ended, at.day)
        handler = self._handlers.get(type(record))
        if self._from <= at.day <= self._until:
            self._inside(record, at)
            if handler is not None:
                handler(record, at)
        elif at.day < self._from and handler is not None:
            self._caller(cast("records.Conversion", record)).before = True
        self.incidents.take(record, at, inside=self._from <= at.day <= self._until)

    def _inside(self, record: Record, at: Local) -> None:
        mark = Mark(record.record, record.time)
        self.first = self.first or mark
        self.last = mark
        self.records += 1
        kind = str(type(record).__struct_config__.tag)
        self.kinds[kind] += 1
        if at.day != self._day[0]:
            self._day = (at.day, self.days.setdefault(at.day, Day()))
        if type(record) not in self._handlers:
            self._day[1].events[kind] += 1

    def _conversion(self, record: records.Conversion, at: Local) -> None:
        self.total.add(record)
        self._day[1].add(record)
        self.week[at.weekday * 24 + at.hour] += record.converted
        _slot(self.pairs, (record.source, record.target), (REST, REST), Volume, MOST_NAMES).add(record)
        use = _slot(self.uses, (record.role, record.purpose), (REST, REST), Use, MOST_NAMES)
        use.add(record)
        utc = record.time[:10]
        use.days[utc] = use.days.get(utc, 0) + record.count
        caller = self._caller(record)
        caller.total.add(record)
        self._hour(caller, record, at).add(record)
        if record.order is not None:
            used = self._order(record.order, record)
            used.total.add(record)
            used.used_first, used.used_last = used.used_first or record.time, record.time
        if self.domain(record.target) in self._disclosing:
            self._disclose(record, at)

    def _refusal(self, record: records.Refusal, at: Local) -> None:
        who = self._who(record)
        caller = self._caller(record)
        code = record.code if len(caller.refused) < MOST_NAMES else REST
        self._day[1].refused[code] += 1
        caller.refused[code] += 1
        hour = self._hour(caller, record, at)
        hour.refused = hour.refused or Counter()
        hour.refused[code] += 1
        self.refusals[who, code] = self.refusals.get((who, code), 0) + 1
        if record.order is not None:
            self._order(record.order, record).refused[code] += 1

    def _history(self, record: records.HistoryRead, at: Local) -> None:
        caller = self._caller(record)
        caller.lookups += 1
        caller.found += record.found
        self._hour(caller, record, at).lookups += 1
        self._day[1].lookups += 1
        mark = Mark(record.record, record.time)
        self.lookups.append(LookUp(mark, self._who(record), record.source, record.reference, record.found))

    def _not_recognised(self, record: records.NotRecognised, at: Local) -> None:
        """One record once, so that whoever repeats himself displaces nobody."""
        self._caller(record)
        before = self._marks.pop(record.marked, None)
        times = 1 if before is None else before.times + 1
        told = (record.source, record.marked, record.reference)
        self._marks[record.marked] = Marked(record.record, record.time, self._who(record), *told, times)
        if len(self._marks) > MOST_MARKS:
            del self._marks[next(iter(self._marks))]

    def _stream(self, record: records.StreamClosed, at: Local) -> None:
        self._caller(record)
        self.cut_streams += record.outcome != "complete"

    def _who(self, record: _Peer) -> Who:
        who = Who(record.role, record.uid)
        return who if who in self.callers or len(self.callers) < MOST_CALLERS else NOBODY

    def _caller(self, record: _Peer) -> Caller:
        who = self._who(record)
        mark = Mark(record.record, record.time)
        caller = self.callers.get(who)
        if caller is None:
            caller = self.callers[who] = Caller(mark, mark)
        caller.last = mark
        return caller

    def _hour(
        self, caller: Caller, record: records.Conversion | records.Refusal | records.HistoryRead, at: Local
    ) -> Hour:
        hour = caller.hours.get(at.position)
        if hour is None:
            hour = caller.hours[at.position] = Hour(first=record.record)
        hour.last = record.record
        return hour

    def _order(self, digest: str, record: records.Conversion | records.Refusal) -> OrderUse:
        mark = Mark(record.record, record.time)
        use = _slot(self.orders, digest, REST, lambda: OrderUse(mark, mark), MOST_ORDERS)
        use.last = mark
        use.callers.add(self._who(record))
        if record.source is not None and record.target is not None and len(use.pairs) < MOST_NAMES:
            use.pairs.add((self.domain(record.source), self.domain(record.target)))
        return use

    def _disclose(self, record: records.Conversion, at: Local) -> None:
        mark = Mark(record.record, record.time)
        source, target = self.domain(record.source), self.domain(record.target)
        key = DisclosureKey(at.day, self._who(record), source, target, record.order)
        rest = DisclosureKey(at.day, NOBODY, REST, REST, None)
        held = _slot(self.disclosures, key, rest, lambda: Disclosure(mark, mark), MOST_DISCLOSURES)
        held.last = mark
        held.total.add(record)
        held.purposes.add(record.purpose)
        if len(held.references) < REFERENCES and record.reference not in held.references:
            held.references.append(record.reference)

    def domain(self, name: str) -> str:
        """The domain of a generation (of the root: itself)."""
        known = self._domains.get(name)
        if known is None:
            known = domain_of(name)
            if len(self._domains) < MOST_NAMES:
                self._domains[name] = known
        return known


def domain_of(name: str) -> str:
    """``sspin.B`` of ``sspin.B.1``; a name without a generation is a domain already."""
    try:
        return Generation.parse(name).domain
    except DomainError:
        return name


def _slot(held: dict[_Key, _Value], key: _Key, rest: _Key, make: Callable[[], _Value], most: int) -> _Value:
    """The value of the key; the one of ``rest`` when there are too many keys already."""
    value = held.get(key)
    if value is None:
        if len(held) >= most and key != rest:
            return _slot(held, rest, rest, make, most)
        value = held[key] = make()
    return value
