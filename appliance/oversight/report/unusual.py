"""Anything unusual: the findings of all rules, the grave ones first. Each comes with its numbers.

A finding is no accusation: it says what to ask about, and from which record to which to look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from appliance.oversight.report import (
    unusual_callers,
    unusual_failures,
    unusual_hours,
    unusual_log,
    unusual_marks,
    unusual_orders,
)
from appliance.oversight.report import unusual_volume as volume
from appliance.oversight.report.findings import Facts, Finding

RULES: Mapping[str, Callable[[Facts], Iterator[Finding]]] = {
    "volume": volume.find,
    "failures": unusual_failures.find,
    "hours": unusual_hours.find,
    "callers": unusual_callers.find,
    "orders": unusual_orders.find,
    "marks": unusual_marks.find,
    "log": unusual_log.find,
}


def findings(facts: Facts) -> tuple[Finding, ...]:
    """Everything that a rule found, the grave first, then by the record where it begins."""
    found = [finding for rule in RULES.values() for finding in rule(facts)]
    return tuple(sorted(found, key=lambda one: (not one.grave, one.first, one.kind)))
