"""What a page shows of one conversion, and which of them a visitor wants to see."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import urlencode

from appliance.hubkit.history import PastConversion
from appliance.hubkit.wire import domain_of
from appliance.portal.marks import Mark
from appliance.portal.naming import Naming
from appliance.portal.proof import Judged, Standing
from appliance.web.pages import Stop
from appliance.web.wording import JAPAN, Words, instant

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
RECORD = re.compile(r"[1-9][0-9]{0,15}")
LARGEST_RECORD = 2**53 - 2


@dataclass(frozen=True, slots=True)
class Entry:
    """A conversion in words. ``when``: the moment for people, ``time`` for machines."""

    record: int
    when: str
    time: str
    role: str
    source: str
    target: str
    purpose: str
    reference: str
    standing: Standing
    mark: Mark | None


def entry(t: Words, naming: Naming, one: PastConversion, judged: Judged, marks: Mapping[int, Mark]) -> Entry:
    """A conversion of a judged history in words."""
    moment = moment_of(one)
    return Entry(
        one.record,
        t.shown(one.time) if moment is None else t.moment(moment),
        one.time,
        naming.role(t, one.role),
        naming.domain(t, one.source),
        naming.domain(t, one.target),
        naming.purpose(t, one.purpose),
        t.shown(one.reference),
        judged.standing(one),
        marks.get(one.record),
    )


@dataclass(frozen=True, slots=True)
class Filter:
    """What to show: of one sector (as either end), of one purpose, from and until a day in Japan, each included."""

    sector: str = ""
    purpose: str = ""
    since: str = ""
    until: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Filter:
        """As asked for in an address.

        Raises:
            Stop: not of the form that the page sends.
        """
        made = cls(*(query.get(name, "").strip() for name in ("sector", "purpose", "since", "until")))
        for word in (made.sector, made.purpose):
            if word and not _NAME.fullmatch(word):
                raise Stop(400, "malformed")
        for day in (made.since, made.until):
            if day and not _is_day(day):
                raise Stop(400, "malformed")
        return made

    def __bool__(self) -> bool:
        return any((self.sector, self.purpose, self.since, self.until))

    @property
    def query(self) -> str:
        """For an address."""
        pairs = (("sector", self.sector), ("purpose", self.purpose), ("since", self.since), ("until", self.until))
        return urlencode([(name, value) for name, value in pairs if value])

    def takes(self, one: PastConversion) -> bool:
        """Whether a conversion is wanted."""
        ends = (domain_of(one.source), domain_of(one.target))
        day = _day(one)
        in_time = not day or (self.since <= day and (not self.until or day <= self.until))
        return self.sector in ("", *ends) and self.purpose in ("", one.purpose) and in_time

    def is_over(self, one: PastConversion) -> bool:
        """Whether nothing older can be wanted."""
        return "" < _day(one) < self.since


def record_number(text: str) -> int:
    """The record in an address: decimal, in its one spelling.

    Raises:
        Stop: it is none.
    """
    if not RECORD.fullmatch(text) or int(text) > LARGEST_RECORD:
        raise Stop(404, "not_found")
    return int(text)


def moment_of(one: PastConversion) -> datetime | None:
    """When it was; None: what the appliance answered is no time."""
    try:
        return instant(one.time)
    except ValueError:
        return None


def _day(one: PastConversion) -> str:
    moment = moment_of(one)
    return "" if moment is None else f"{moment.astimezone(JAPAN):%Y-%m-%d}"


def _is_day(text: str) -> bool:
    try:
        return bool(_DAY.fullmatch(text)) and date.fromisoformat(text) <= date.max
    except ValueError:
        return False


def today(moment: datetime) -> str:
    """The day in Japan, as a date field has it."""
    return f"{moment.astimezone(JAPAN):%Y-%m-%d}"
