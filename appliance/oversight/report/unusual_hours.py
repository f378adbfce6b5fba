"""Work at unusual hours: at night, or at the weekend, by a role that hardly ever works then."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from appliance.oversight.report.findings import Facts, Finding
from appliance.oversight.report.moments import HOURS, WEEKEND, days_text, hours_text, weekday_of
from appliance.oversight.report.tallies import Caller, Hour, Who

NIGHT_BEGINS = 22
NIGHT_ENDS = 6
FEWEST_DAYS = 14  # active ones of a role, before anything is said of it
RARELY = 0.1  # of its active days
RARELY_AT_LEAST = 2


@dataclass(slots=True)
class Stretch:
    """A role's work in one night or weekend day."""

    numbers: int = 0
    lookups: int = 0
    first: int = 0
    last: int = 0
    hours: list[int] = field(default_factory=list)
    uids: set[int] = field(default_factory=set)

    def add(self, position: int, hour: Hour, uid: int) -> None:
        """One hour of one caller more."""
        self.numbers += hour.count
        self.lookups += hour.lookups
        self.first = min(self.first or hour.first, hour.first)
        self.last = max(self.last, hour.last)
        self.hours.append(position)
        self.uids.add(uid)


def night_of(position: int) -> int | None:
    """The day in whose evening the night of this hour began; None: it is day."""
    day, hour = divmod(position, HOURS)
    if hour >= NIGHT_BEGINS:
        return day
    return day - 1 if hour < NIGHT_ENDS else None


def weekend_of(position: int) -> int | None:
    """The weekend day of this hour; None: it is a working day, or night."""
    day = position // HOURS
    return day if weekday_of(day) in WEEKEND and night_of(position) is None else None


def find(facts: Facts) -> Iterator[Finding]:
    """Each rare night, and each rare weekend day."""
    roles: dict[str, list[tuple[Who, Caller]]] = defaultdict(list)
    for who, caller in sorted(facts.statistics.callers.items()):
        roles[who.role].append((who, caller))
    for role, callers in roles.items():
        active = _active_days(callers)
        yield from _rare("night", True, role, active, _stretches(callers, night_of), hours_of=True)
        yield from _rare("weekend", False, role, active, _stretches(callers, weekend_of), hours_of=False)


def _active_days(callers: list[tuple[Who, Caller]]) -> int:
    """Working days on which the role did something by day."""
    return len(
        {
            position // HOURS
            for _, caller in callers
            for position, hour in caller.hours.items()
            if hour.count + hour.lookups and night_of(position) is None and weekday_of(position // HOURS) not in WEEKEND
        }
    )


def _stretches(callers: list[tuple[Who, Caller]], of: Callable[[int], int | None]) -> Mapping[int, Stretch]:
    made: dict[int, Stretch] = defaultdict(Stretch)
    for who, caller in callers:
        for position, hour in caller.hours.items():
            number = of(position)
            if number is not None and hour.count + hour.lookups:
                made[number].add(position, hour, who.uid)
    return made


def _rare(
    kind: str, grave: bool, role: str, active: int, stretches: Mapping[int, Stretch], *, hours_of: bool
) -> Iterator[Finding]:
    if active < FEWEST_DAYS or len(stretches) > max(RARELY * active, RARELY_AT_LEAST):
        return
    for number, one in sorted(stretches.items()):
        when = hours_text(min(one.hours), max(one.hours)) if hours_of else days_text(number, number)
        amounts = {"numbers": one.numbers, "lookups": one.lookups, "times": len(stretches), "days": active}
        yield Finding(kind, grave, when, one.first, one.last, role, tuple(sorted(one.uids)), amounts)
