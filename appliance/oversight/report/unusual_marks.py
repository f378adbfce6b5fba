"""Conversions that people do not recognise: many of one role and purpose in a short time may be no forgetfulness."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from appliance.oversight.report.findings import Amount, Facts, Finding
from appliance.oversight.report.marks import Recalled
from appliance.oversight.report.moments import Clock, days_text

FEWEST = 5  # different conversions
DAYS = 7

_Use = tuple[str, str]


def find(facts: Facts) -> Iterator[Finding]:
    """What was marked, by role and purpose of the conversions; a grave finding where it was much at a time."""
    clock = facts.statistics.clock
    uses: dict[_Use, list[Recalled]] = defaultdict(list)
    gone: list[Recalled] = []
    for one in sorted(facts.marks, key=lambda one: one.said.record):
        record = one.conversion
        (gone if record is None else uses[record.role, record.purpose]).append(one)
    for use, held in sorted(uses.items()):
        yield _of_use(clock, use, held)
    if gone:
        yield Finding("marked_gone", False, *_when(clock, gone), "", (), {"count": len(gone)})


def _of_use(clock: Clock, use: _Use, held: Sequence[Recalled]) -> Finding:
    most = _most_at_a_time([clock.at(one.said.time).day for one in held])
    role, purpose = use
    amounts: dict[str, Amount] = {
        "purpose": purpose,
        "count": len(held),
        "most": most,
        "days": DAYS,
        "fewest": FEWEST,
    }
    uids = tuple(sorted({one.conversion.uid for one in held if one.conversion is not None}))
    where = _when(clock, held)
    if most >= FEWEST:
        return Finding("marked_often", True, *where, role, uids, amounts)
    return Finding("marked", False, *where, role, uids, amounts)


def _most_at_a_time(days: Sequence[int]) -> int:
    """Of days, how many at most lie within `DAYS` that follow each other."""
    return max(sum(first <= day < first + DAYS for day in days) for first in set(days))


def _when(clock: Clock, held: Sequence[Recalled]) -> tuple[str, int, int]:
    """The days of the marks, and the first and last of their records."""
    days = [clock.at(one.said.time).day for one in held]
    return days_text(min(days), max(days)), held[0].said.record, held[-1].said.record
