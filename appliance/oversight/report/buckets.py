"""The bars of a time line: days as long as there is room for them, else weeks, four weeks, or more."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from appliance.oversight.report.moments import days_text
from appliance.oversight.report.tallies import Day

MOST_BARS = 190
WEEK = 7


@dataclass(slots=True)
class Bucket:
    """The sum over the days ``first`` to ``last``."""

    first: int
    last: int
    day: Day = field(default_factory=Day)

    @property
    def text(self) -> str:
        """Its days."""
        return days_text(self.first, self.last)


def width_for(first: int, last: int) -> int:
    """How many days one bar has."""
    days = last - first + 1
    if days <= MOST_BARS:
        return 1
    return WEEK if days <= MOST_BARS * WEEK else 4 * WEEK * math.ceil(days / (MOST_BARS * 4 * WEEK))


def buckets(days: Mapping[int, Day], first: int, last: int) -> list[Bucket]:
    """Every bar from the first to the last day, those without anything as well."""
    width = width_for(first, last)
    made = [Bucket(begin, min(begin + width - 1, last)) for begin in range(first, last + 1, width)]
    for number, day in days.items():
        if first <= number <= last:
            into = made[(number - first) // width].day
            into.plus(day)
            into.refused.update(day.refused)
            into.events.update(day.events)
            into.lookups += day.lookups
    return made
