"""The log and the service themselves: long silences, a clock going backwards, crashes, records that were lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from appliance.oversight.report.findings import Amount, Facts, Finding, Seconds, Share
from appliance.oversight.report.incidents import Incidents
from appliance.oversight.report.moments import HOURS, Clock, weekday_of
from appliance.oversight.report.tallies import Event, Gap

LONG_GAP = 24 * 3_600.0  # seconds
LONGER = 1.5  # than nine of ten gaps of an hour or more
FEWEST_GAPS = 10  # with fewer, every long gap is told
BUSY = 0.75  # of the weeks: an hour of the week in which there are records so often is a busy one
FEWEST_WEEKS = 3
MOST_HOURS = 60 * HOURS  # of a gap that are looked at
FEWEST_BUSY = 3  # busy hours wholly without a record
_GRAVE = {"ledger_refused": True, "repair": False, "audit_lost": True}


def find(facts: Facts) -> Iterator[Finding]:
    """Gaps, steps back in time, starts without a stop, losses."""
    incidents, clock = facts.statistics.incidents, facts.statistics.clock
    yield from _gaps(incidents, clock)
    for step in incidents.backwards:
        amounts: dict[str, Amount] = {"back": Seconds(step.seconds), "before": clock.second(step.before.time)}
        when = clock.second(step.after.time)
        yield Finding("clock_back", True, when, step.before.record, step.after.record, amounts=amounts)
    for crash in incidents.crashes:
        yield _event("crash", False, crash, clock)
    for event in incidents.events:
        if event.kind in _GRAVE:
            yield _event(event.kind, _GRAVE[event.kind], event, clock)
        elif event.kind == "audit_regained" and event.detail != "0":
            yield _event("records_lost", True, event, clock)


def _event(kind: str, grave: bool, event: Event, clock: Clock) -> Finding:
    record = event.mark.record
    return Finding(kind, grave, clock.second(event.mark.time), record, record, amounts={"detail": event.detail})


def _gaps(incidents: Incidents, clock: Clock) -> Iterator[Finding]:
    weekly, weeks = _busy_cells(incidents)
    longest = _longest_usual(incidents.gaps)
    for gap in incidents.gaps:
        missed = [share for share in _missed(gap, clock, weekly, weeks) if share >= BUSY]
        if len(missed) < FEWEST_BUSY and gap.seconds <= longest:
            continue
        when = f"{clock.minute(gap.before.time)} – {clock.minute(gap.after.time)}"
        amounts: dict[str, Amount] = {
            "length": Seconds(gap.seconds),
            "missed": len(missed),
            "share": Share(sum(missed) / len(missed) if missed else 0.0),
        }
        kind = "gap_stopped" if gap.stopped else "gap"
        grave = len(missed) >= FEWEST_BUSY and not gap.stopped
        yield Finding(kind, grave, when, gap.before.record, gap.after.record, amounts=amounts)


def _longest_usual(gaps: Sequence[Gap]) -> float:
    """How long a gap may be and is not told for its length alone: nights and weekends of a quiet service, say."""
    if len(gaps) < FEWEST_GAPS:
        return LONG_GAP
    lengths = sorted(gap.seconds for gap in gaps)
    return max(LONG_GAP, LONGER * lengths[len(lengths) * 9 // 10])


def _busy_cells(incidents: Incidents) -> tuple[Counter[tuple[int, int]], int]:
    """By weekday and hour, in how many weeks there was a record then; and of how many weeks."""
    cells: Counter[tuple[int, int]] = Counter()
    for position in incidents.busy:
        cells[weekday_of(position // HOURS), position % HOURS] += 1
    spanned = (max(incidents.busy) - min(incidents.busy)) / (7 * HOURS) if incidents.busy else 0.0
    return cells, round(spanned)


def _missed(gap: Gap, clock: Clock, cells: Counter[tuple[int, int]], weeks: int) -> Iterator[float]:
    """Of each whole hour inside the gap, in which share of the other weeks there was a record at that hour."""
    if weeks < FEWEST_WEEKS:
        return
    first = clock.at(gap.before.time).position + 1
    for position in range(first, min(clock.at(gap.after.time).position, first + MOST_HOURS)):
        yield min(1.0, cells[weekday_of(position // HOURS), position % HOURS] / max(weeks - 1, 1))
