"""Callers outside their usual volume: a day with far more, or far fewer, numbers or look-ups than their median."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from appliance.oversight.report.findings import Amount, Facts, Finding
from appliance.oversight.report.moments import HOURS, WEEKEND, days_text, weekday_of
from appliance.oversight.report.tallies import Caller, Hour, Who
from appliance.oversight.report.usual import Usual, usual_of

LEAST_NUMBERS = 100  # above the usual; less is not worth a look
LEAST_LOOKUPS = 20
LEAST_MEDIAN = 100.0  # whoever converts so little may well pause
MANY = 0.5  # of the callers that could be judged
ALL = Who("", -1)
MOST_PAUSES = 0.2  # of the days: who pauses that often may pause


@dataclass(slots=True)
class DayOf:
    """One day of a caller: how much, and its first and last record."""

    amount: int = 0
    first: int = 0
    last: int = 0


@dataclass(slots=True)
class Rhythm:
    """The days of a caller of one kind (working days, or weekends), and what is usual among them."""

    days: dict[int, DayOf] = field(default_factory=dict)

    @property
    def usual(self) -> Usual | None:
        """Of its active days."""
        return usual_of([day.amount for day in self.days.values()])


def rhythms(caller: Caller, amount: Callable[[Hour], int]) -> dict[bool, Rhythm]:
    """The caller's active days, those of the weekend (True) apart from the others."""
    made = {False: Rhythm(), True: Rhythm()}
    for position, hour in caller.hours.items():
        if much := amount(hour):
            number = position // HOURS
            held = made[weekday_of(number) in WEEKEND].days
            day = held.setdefault(number, DayOf(first=hour.first))
            day.amount += much
            day.first, day.last = min(day.first, hour.first), max(day.last, hour.last)
    return made


def numbers(hour: Hour) -> int:
    """What is counted for most callers: the numbers they handed in."""
    return hour.count


def lookups(hour: Hour) -> int:
    """What is counted for a portal."""
    return hour.lookups


def find(facts: Facts) -> Iterator[Finding]:
    """Far more than usual; far fewer than usual."""
    low: dict[Who, Low] = {}
    for who, caller in sorted(facts.statistics.callers.items()):
        for weekend, rhythm in rhythms(caller, numbers).items():
            if usual := rhythm.usual:
                yield from _more("volume_high", who, rhythm, usual, LEAST_NUMBERS)
                if not weekend and (found := _low(facts, rhythm, usual)) is not None:
                    low[who] = found
        for rhythm in rhythms(caller, lookups).values():
            if usual := rhythm.usual:
                yield from _more("lookups_high", who, rhythm, usual, LEAST_LOOKUPS)
    yield from _fewer(low)


def _more(kind: str, who: Who, rhythm: Rhythm, usual: Usual, least: int) -> Iterator[Finding]:
    for number, day in sorted(rhythm.days.items()):
        if day.amount > usual.upper and day.amount >= usual.middle + least:
            amounts = {"amount": day.amount, "times": day.amount / max(usual.middle, 1.0), **_told(usual)}
            when = days_text(number, number)
            yield Finding(kind, True, when, day.first, day.last, who.role, (who.uid,), amounts)


@dataclass(frozen=True, slots=True)
class Low:
    """A caller that hardly ever pauses: its rhythm, and the working days on which it did far less than usual."""

    rhythm: Rhythm
    usual: Usual
    days: frozenset[int]


def _low(facts: Facts, rhythm: Rhythm, usual: Usual) -> Low | None:
    """None: nothing can be said. The first and last day of the period may be cut short, so they never count."""
    first, last = min(rhythm.days), max(rhythm.days)
    expected = _working(first, last)
    if usual.middle < LEAST_MEDIAN or len(expected) - len(rhythm.days) > MOST_PAUSES * len(expected):
        return None
    edges = {min(facts.statistics.days), max(facts.statistics.days)}
    found = (day for day in expected if day not in edges and _amount(rhythm, day) < usual.lower)
    return Low(rhythm, usual, frozenset(found))


def _fewer(low: dict[Who, Low]) -> Iterator[Finding]:
    """Days of one caller; and days of half of them or more, such as public holidays, once for all."""
    every = [day for one in low.values() for day in one.days]
    quiet = {day for day in every if every.count(day) >= max(2, len(low) * MANY)}
    for run in _runs(quiet):
        callers = {who for who, one in low.items() if one.days & set(run)}
        amounts: dict[str, Amount] = {"callers": len(callers), "of": len(low), "days": len(run)}
        yield _over([one.rhythm for one in low.values()], "quiet", run, amounts)
    for who, one in low.items():
        for run in _runs(one.days - quiet):
            much = sum(_amount(one.rhythm, day) for day in run)
            amounts = {"amount": much, "days": len(run), **_told(one.usual)}
            yield _over([one.rhythm], "volume_low", run, amounts, who)


def _over(rhythms: list[Rhythm], kind: str, run: list[int], amounts: Mapping[str, Amount], who: Who = ALL) -> Finding:
    """A finding about a run of days, and the records that there are on them."""
    held = [rhythm.days[day] for rhythm in rhythms for day in run if day in rhythm.days]
    marks = (min(day.first for day in held), max(day.last for day in held)) if held else (0, 0)
    uids = (who.uid,) if who.role else ()
    return Finding(kind, False, days_text(run[0], run[-1]), *marks, who.role, uids, amounts)


def _amount(rhythm: Rhythm, day: int) -> int:
    return rhythm.days[day].amount if day in rhythm.days else 0


def _working(first: int, last: int) -> list[int]:
    return [day for day in range(first, last + 1) if weekday_of(day) not in WEEKEND]


def _runs(days: Collection[int]) -> list[list[int]]:
    """Working days that follow each other."""
    runs: list[list[int]] = []
    for day in sorted(days):
        if runs and len(_working(runs[-1][-1], day)) == 2:
            runs[-1].append(day)
        else:
            runs.append([day])
    return runs


def _told(usual: Usual) -> Mapping[str, Amount]:
    return {"usual": round(usual.middle), "spread": round(usual.spread), "of": usual.days}
