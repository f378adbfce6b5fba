"""When a record was written, as people of one time zone say it: day, hour, weekday.

Days are counted as `datetime.date.toordinal` does, and hours from that: ``day * 24 + hour``. Records come in
the order of time, so the minute before is mostly the minute asked for next.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from appliance.oversight.report.errors import TimeZoneUnknown

HOURS = 24
WEEKEND = (5, 6)  # Saturday and Sunday, counted from Monday
_WITHOUT_DATABASE = {"Asia/Tokyo": timezone(timedelta(hours=9), "JST"), "UTC": UTC}  # no summer time: always known


class Local(NamedTuple):
    """A moment of the time zone; ``weekday`` counts from Monday, 0."""

    day: int
    hour: int
    weekday: int

    @property
    def position(self) -> int:
        """The hour, counted through."""
        return self.day * HOURS + self.hour


class Clock:
    """A time zone, and what it makes of the instants in records (``2026-05-13T02:14:07.123456Z``)."""

    def __init__(self, zone: tzinfo, name: str) -> None:
        self.zone = zone
        self.name = name
        self._minute = ""
        self._local = Local(1, 0, 0)

    @classmethod
    def named(cls, name: str) -> Clock:
        """The clock of a time zone such as ``Asia/Tokyo``.

        Raises:
            TimeZoneUnknown: this machine knows none of that name.
        """
        try:
            return cls(ZoneInfo(name), name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            if name in _WITHOUT_DATABASE:
                return cls(_WITHOUT_DATABASE[name], name)
        raise TimeZoneUnknown(
            f"--timezone: this machine knows no time zone {name!r}",
            "name one such as Asia/Tokyo or UTC; on a small system the package tzdata may be missing",
        )

    def at(self, instant: str) -> Local:
        """Where the instant lies.

        Raises:
            ValueError: it is no instant.
        """
        minute = instant[:16]
        if minute != self._minute:
            moment = self.moment(instant)
            self._local = Local(moment.toordinal(), moment.hour, moment.weekday())
            self._minute = minute
        return self._local

    def moment(self, instant: str) -> datetime:
        """The instant of a record or of the ledger, in this time zone.

        Raises:
            ValueError: it is none, or lies at the end of all calendars.
        """
        try:
            return datetime.fromisoformat(instant).astimezone(self.zone)
        except OverflowError:
            raise ValueError(f"{instant} cannot be told in {self.name}") from None

    def minute(self, instant: str) -> str:
        """``2026-05-13 11:14``."""
        return f"{self.moment(instant):%Y-%m-%d %H:%M}"

    def second(self, instant: str) -> str:
        """``2026-05-13 11:14:07``."""
        return f"{self.moment(instant):%Y-%m-%d %H:%M:%S}"


def day_text(day: int) -> str:
    """``2026-05-13``."""
    return date.fromordinal(day).isoformat()


def weekday_of(day: int) -> int:
    """The weekday of a day, Monday 0."""
    return (day + 6) % 7


def hours_text(first: int, last: int) -> str:
    """Whole hours that follow each other, ``2026-05-13 02:00–04:00`` (the end is that of the last hour)."""
    day, hour = divmod(first, HOURS)
    last_day, last_hour = divmod(last + 1, HOURS)
    end = f"{last_hour:02d}:00"
    if last_day != day and not (last_day == day + 1 and last_hour == 0):
        end = f"{day_text(last_day)} {end}"
    elif last_day != day:
        end = "24:00"
    return f"{day_text(day)} {hour:02d}:00–{end}"


def days_text(first: int, last: int) -> str:
    """A day, or the days from the first to the last."""
    return day_text(first) if first == last else f"{day_text(first)} – {day_text(last)}"


def seconds_between(before: str, after: str) -> float:
    """How long from one instant to another; negative if the clock went backwards."""
    return (datetime.fromisoformat(after) - datetime.fromisoformat(before)).total_seconds()
