"""Callers that were never seen before: a uid, or a whole role, that begins after the log's first days."""

from __future__ import annotations

from collections.abc import Iterator

from appliance.oversight.report.findings import Facts, Finding

LEARNING_DAYS = 7  # from the log's first record; whoever comes then is there from the beginning


def find(facts: Facts) -> Iterator[Finding]:
    """Each caller that is new in the period, with all it did in it."""
    statistics = facts.statistics
    if statistics.log_began is None:
        return
    roles: set[str] = set()
    for who, caller in sorted(statistics.callers.items(), key=lambda one: one[1].first.record):
        known, new_role = who.role in roles, who.role not in roles
        roles.add(who.role)
        began = statistics.clock.at(caller.first.time).day
        if caller.before or began < statistics.log_began + LEARNING_DAYS:
            continue
        amounts = {
            "numbers": caller.total.count,
            "lookups": caller.lookups,
            "refused": caller.refused.total(),
            "days": began - statistics.log_began,
            "others": sum(other.role == who.role for other in statistics.callers) - 1 if known else 0,
        }
        kind, when = "new_role" if new_role else "new_caller", statistics.clock.minute(caller.first.time)
        marks = caller.first.record, caller.last.record
        yield Finding(kind, not new_role, when, *marks, who.role, (who.uid,), amounts)
