"""What is counted: the small sums that `appliance.oversight.report.statistics` keeps by day, caller, pair and order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from appliance.audit.records import Conversion


class Who(NamedTuple):
    """A caller: the role of the socket it came by, and the uid that the kernel gave."""

    role: str
    uid: int


class Mark(NamedTuple):
    """A place in the log: a record's number and its time."""

    record: int
    time: str


@dataclass(slots=True)
class Volume:
    """Numbers handed in, by what became of them; ``answers``: how many conversion records."""

    answers: int = 0
    converted: int = 0
    malformed: int = 0
    unknown: int = 0

    @property
    def count(self) -> int:
        """All numbers."""
        return self.converted + self.malformed + self.unknown

    def add(self, record: Conversion) -> None:
        """One conversion more."""
        self.answers += 1
        self.converted += record.converted
        self.malformed += record.malformed
        self.unknown += record.unknown

    def plus(self, other: Volume) -> None:
        """Another sum more."""
        self.answers += other.answers
        self.converted += other.converted
        self.malformed += other.malformed
        self.unknown += other.unknown


@dataclass(slots=True)
class Use(Volume):
    """What one role converted for one purpose; ``days``: numbers of each day in UTC, as quotas count them."""

    days: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Day(Volume):
    """One day of the whole log. ``refused``: refusals by code; ``events``: what happened to the service, by kind."""

    refused: Counter[str] = field(default_factory=Counter)
    lookups: int = 0
    events: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Hour(Volume):
    """One hour of one caller, with its first and last record."""

    lookups: int = 0
    refused: Counter[str] | None = None
    first: int = 0
    last: int = 0

    @property
    def refusals(self) -> int:
        """How often it was refused."""
        return 0 if self.refused is None else self.refused.total()


@dataclass(slots=True)
class Caller:
    """One caller, hour by hour (hours counted as in `appliance.oversight.report.moments`)."""

    first: Mark
    last: Mark
    before: bool = False
    total: Volume = field(default_factory=Volume)
    lookups: int = 0
    found: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    hours: dict[int, Hour] = field(default_factory=dict)
    """``before``: it was there already before the period."""


@dataclass(slots=True)
class OrderUse:
    """What was done, and refused, under one disclosure order; ``used_*``: when numbers were converted under it."""

    first: Mark
    last: Mark
    used_first: str = ""
    used_last: str = ""
    total: Volume = field(default_factory=Volume)
    callers: set[Who] = field(default_factory=set)
    pairs: set[tuple[str, str]] = field(default_factory=set)
    refused: Counter[str] = field(default_factory=Counter)


class DisclosureKey(NamedTuple):
    """Disclosures of one day by one caller, of one pair of domains, under one order (None: none)."""

    day: int
    who: Who
    source: str
    target: str
    order: str | None


@dataclass(slots=True)
class Disclosure:
    """Conversions to a domain from which all others of a person follow."""

    first: Mark
    last: Mark
    total: Volume = field(default_factory=Volume)
    purposes: set[str] = field(default_factory=set)
    references: list[str] = field(default_factory=list)


class LookUp(NamedTuple):
    """One person's history was asked for."""

    mark: Mark
    who: Who
    source: str
    reference: str
    found: int


class Marked(NamedTuple):
    """A person said that they do not recognise the conversion in record ``marked``: the newest time that one did.

    ``record``, ``time``: the mark's own; ``who``: the portal that it came from; ``times``: how often it was said.
    """

    record: int
    time: str
    who: Who
    source: str
    marked: int
    reference: str
    times: int


class Event(NamedTuple):
    """Something happened to the service; ``detail`` is the record's own word for it."""

    kind: str
    mark: Mark
    detail: str


class Gap(NamedTuple):
    """No record between these two; ``stopped``: the daemon had stopped before."""

    before: Mark
    after: Mark
    seconds: float
    stopped: bool


class Backwards(NamedTuple):
    """A record is older than the one before it, by so many seconds."""

    before: Mark
    after: Mark
    seconds: float
