"""Disclosures and orders: conversions that lead to all numbers of a person, and orders used beyond what they allow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from appliance.oversight.report.findings import Amount, Facts, Finding
from appliance.oversight.report.moments import days_text, seconds_between
from appliance.oversight.report.orders import HeldOrder
from appliance.oversight.report.tallies import Disclosure, DisclosureKey, OrderUse


def find(facts: Facts) -> Iterator[Finding]:
    """Every disclosure (without an order: a grave one); every order that was overused, misused or refused."""
    yield from _disclosures(facts)
    for digest, use in sorted(facts.statistics.orders.items(), key=lambda one: one[1].first.record):
        held = facts.orders.get(digest)
        if held is not None:
            yield from _beyond(facts, held, use)
        if use.refused:
            codes = ", ".join(f"{code} {count}" for code, count in use.refused.most_common(3))
            yield _finding(facts, "order_refused", False, use, digest, {"refused": use.refused.total(), "codes": codes})


def _disclosures(facts: Facts) -> Iterator[Finding]:
    """Those of one caller under one order together; those without an order day by day."""
    groups: dict[tuple[object, ...], list[tuple[DisclosureKey, Disclosure]]] = defaultdict(list)
    for key, one in facts.statistics.disclosures.items():
        groups[(key.who, key.source, key.target, key.order, None if key.order else key.day)].append((key, one))
    for held in groups.values():
        yield _disclosed(held)


def _disclosed(held: list[tuple[DisclosureKey, Disclosure]]) -> Finding:
    (key, first), (last_key, last) = held[0], held[-1]
    amounts: dict[str, Amount] = {
        "count": sum(one.total.count for _, one in held),
        "source": key.source,
        "target": key.target,
        "purposes": ", ".join(sorted(set().union(*(one.purposes for _, one in held)))),
        "order": (key.order or "")[:16],
        "days": len({key.day for key, _ in held}),
    }
    kind, when = "disclosure" if key.order else "disclosure_bare", days_text(key.day, last_key.day)
    marks = first.first.record, last.last.record
    return Finding(kind, key.order is None, when, *marks, key.who.role, (key.who.uid,), amounts)


def _beyond(facts: Facts, held: HeldOrder, use: OrderUse) -> Iterator[Finding]:
    order, used = held.order, use.total.count
    if used > order.most:
        yield _finding(facts, "order_overuse", True, use, held.digest, {"count": used, "most": order.most})
    pairs = use.pairs - {(order.source, order.target)}
    roles = {who.role for who in use.callers} - {order.role}
    if use.total.answers and (pairs or roles):
        strange = ", ".join([*(f"{source} → {target}" for source, target in sorted(pairs)), *sorted(roles)])
        allowed = f"{order.source} → {order.target}, {order.role}"
        yield _finding(facts, "order_misfit", True, use, held.digest, {"strange": strange, "allowed": allowed})
    if use.total.answers and _untimely(held, use):
        times = {"begins": order.not_before, "ends": order.not_after}
        shown = {name: facts.statistics.clock.minute(text) for name, text in times.items()}
        yield _finding(facts, "order_untimely", True, use, held.digest, dict(shown))


def _untimely(held: HeldOrder, use: OrderUse) -> bool:
    """Whether it was used before or after its validity (whose last second counts)."""
    begins, ends = held.order.not_before, held.order.not_after
    return seconds_between(begins, use.used_first) < 0 or seconds_between(ends, use.used_last) >= 1


def _finding(facts: Facts, kind: str, grave: bool, use: OrderUse, digest: str, amounts: dict[str, Amount]) -> Finding:
    clock = facts.statistics.clock
    first, last = (clock.at(mark.time).day for mark in (use.first, use.last))
    roles = sorted({who.role for who in use.callers})
    uids = tuple(sorted({who.uid for who in use.callers}))
    when, told = days_text(first, last), {"order": digest[:16], **amounts}
    return Finding(kind, grave, when, use.first.record, use.last.record, ", ".join(roles), uids, told)
