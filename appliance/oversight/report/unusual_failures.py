"""Bursts of unknown numbers and of refusals: somebody tries numbers, or tries what the policy denies.

A number that is no person's is answered with ``unknown_number``; who guesses numbers, or feeds numbers of another
sector or generation, gets many of them. Each hour of a caller is held against all its other hours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from appliance.oversight.report.findings import Amount, Facts, Finding, Share
from appliance.oversight.report.moments import hours_text
from appliance.oversight.report.tallies import Caller, Hour, Volume, Who
from appliance.oversight.report.usual import stands_out

LEAST_UNKNOWN = 20
TIMES_BASE = 5.0
LEAST_BASE = 0.001  # a share below this is taken for this
FEWEST_NUMBERS = 1_000  # of a caller's other hours; with fewer, all callers are the base
LEAST_REFUSALS = 20


def find(facts: Facts) -> Iterator[Finding]:
    """Hours in which far more failed than usual; hours that follow each other are one finding."""
    total = facts.statistics.total
    for who, caller in sorted(facts.statistics.callers.items()):
        yield from _unknown(who, caller, total)
        yield from _refused(who, caller)


def _unknown(who: Who, caller: Caller, total: Volume) -> Iterator[Finding]:
    flagged = _runs(caller, lambda hour: _too_many_unknown(hour, _base(hour, caller, total)))
    for run in flagged:
        hours = [caller.hours[position] for position in run]
        sums = Volume()
        for hour in hours:
            sums.plus(hour)
        amounts: dict[str, Amount] = {
            "unknown": sums.unknown,
            "count": sums.count,
            "share": Share(sums.unknown / sums.count),
            "base": Share(_base(sums, caller, total)),
        }
        yield _finding("unknown_burst", who, run, hours, amounts)


def _too_many_unknown(hour: Hour, base: float) -> bool:
    expected = max(base, LEAST_BASE) * hour.count
    enough = hour.unknown >= LEAST_UNKNOWN and hour.unknown >= TIMES_BASE * expected
    return enough and stands_out(hour.unknown, expected)


def _base(part: Volume, caller: Caller, total: Volume) -> float:
    """The share of unknown numbers apart from this part: the caller's own, or everybody's."""
    whole = caller.total if caller.total.count - part.count >= FEWEST_NUMBERS else total
    rest = whole.count - part.count
    return (whole.unknown - part.unknown) / rest if rest > 0 else 0.0


def _refused(who: Who, caller: Caller) -> Iterator[Finding]:
    all_hours, total = len(caller.hours), caller.refused.total()

    def too_many(hour: Hour) -> bool:
        rest = (total - hour.refusals) / max(all_hours - 1, 1)
        return hour.refusals >= LEAST_REFUSALS and stands_out(hour.refusals, rest)

    for run in _runs(caller, too_many):
        hours = [caller.hours[position] for position in run]
        codes: Counter[str] = Counter()
        for hour in hours:
            codes.update(hour.refused or {})
        rest = (total - codes.total()) / max(all_hours - len(run), 1)
        named = ", ".join(f"{code} {count}" for code, count in codes.most_common(3))
        yield _finding("refusal_burst", who, run, hours, {"refused": codes.total(), "codes": named, "usual": rest})


def _runs(caller: Caller, flagged: Callable[[Hour], bool]) -> Iterator[list[int]]:
    """The flagged hours, those that follow each other together."""
    run: list[int] = []
    for position in sorted(position for position, hour in caller.hours.items() if flagged(hour)):
        if run and position != run[-1] + 1:
            yield run
            run = []
        run.append(position)
    if run:
        yield run


def _finding(kind: str, who: Who, run: list[int], hours: list[Hour], amounts: dict[str, Amount]) -> Finding:
    when = hours_text(run[0], run[-1])
    return Finding(kind, True, when, hours[0].first, hours[-1].last, who.role, (who.uid,), amounts)
