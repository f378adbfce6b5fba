"""The section about disclosures: each order that was used, and each disclosure by day and caller."""

from __future__ import annotations

from collections.abc import Iterator

from appliance.commandline import visible
from appliance.oversight.report.blocks import Block, Cell, Prose, Section, Table, code, number, part_of
from appliance.oversight.report.orders import HeldOrder
from appliance.oversight.report.subject import Subject
from appliance.oversight.report.tallies import Disclosure, DisclosureKey, OrderUse

MOST_ROWS = 40
DIGITS = 16


def orders(subject: Subject) -> Section:
    """Orders and disclosures."""
    t, statistics = subject.t, subject.statistics
    title = t("section.orders")
    if not statistics.orders and not statistics.disclosures:
        return Section("orders", title, t("lead.orders_none"), ())
    blocks: list[Block] = []
    if statistics.orders:
        blocks += [Prose(t("lead.orders_held")), _orders(subject)]
    if statistics.disclosures:
        blocks.append(_disclosures(subject))
    return Section("orders", title, t("lead.orders"), tuple(blocks))


def _orders(subject: Subject) -> Table:
    t = subject.t
    names = ("order", "pair", "case", "used", "most", "valid", "refused")
    held = sorted(subject.statistics.orders.items(), key=lambda one: one[1].first.record)
    rows = tuple(tuple(_order(subject, digest, use)) for digest, use in held[:MOST_ROWS])
    return Table(
        t("section.orders"),
        tuple(t(f"column.{name}") for name in names),
        rows,
        frozenset({4}),
        look="bars orders",
        stacks=True,
        rest=t("page.rest", count=len(held) - MOST_ROWS) if len(held) > MOST_ROWS else "",
    )


def _order(subject: Subject, digest: str, use: OrderUse) -> Iterator[Cell]:
    t, held = subject.t, subject.orders.get(digest)
    callers = ", ".join(subject.who(who) for who in sorted(use.callers)[:3])
    pairs = ", ".join(f"{source} → {target}" for source, target in sorted(use.pairs)[:3])
    yield code(digest[:DIGITS])
    yield code(visible(pairs), note=callers)
    yield _case(held)
    count = use.total.count
    over = "grave" if held and count > held.order.most else ""
    part = part_of(count, held.order.most) if held else 0.0
    yield Cell(t.number(count), "bar", part, note=_when(subject, use), mark=over)
    yield number(t.number(held.order.most) if held else "?")
    yield _validity(subject, held)
    refused = ", ".join(f"{name} {n}" for name, n in use.refused.most_common(2))
    yield code(visible(refused)) if refused else Cell("·")


def _case(held: HeldOrder | None) -> Cell:
    if held is None:
        return Cell("–")
    return Cell(visible(held.order.case), note=visible(f"{held.order.purpose} · {', '.join(held.signers)}"))


def _validity(subject: Subject, held: HeldOrder | None) -> Cell:
    if held is None:
        return Cell("–")
    return Cell(subject.clock.minute(held.order.not_before), note=f"– {subject.clock.minute(held.order.not_after)}")


def _when(subject: Subject, use: OrderUse) -> str:
    if not use.used_first:
        return ""
    return f"{subject.clock.minute(use.used_first)} – {subject.clock.minute(use.used_last)}"


def _disclosures(subject: Subject) -> Table:
    t = subject.t
    names = ("when", "who", "pair", "numbers", "order", "reference", "records")
    held = sorted(subject.statistics.disclosures.items(), key=lambda one: -one[1].first.record)
    rows = tuple(tuple(_disclosure(subject, key, one)) for key, one in held[:MOST_ROWS])
    return Table(
        t("fact.disclosed"),
        tuple(t(f"column.{name}") for name in names),
        rows,
        frozenset({3, 6}),
        look="disclosures",
        stacks=True,
        heading=t("fact.disclosed"),
        rest=t("page.rest", count=len(held) - MOST_ROWS) if len(held) > MOST_ROWS else "",
    )


def _disclosure(subject: Subject, key: DisclosureKey, one: Disclosure) -> Iterator[Cell]:
    t = subject.t
    yield Cell(subject.clock.minute(one.first.time))
    yield code(visible(key.who.role), note=f"{t('column.uid')} {key.who.uid}")
    yield code(visible(f"{key.source} → {key.target}"), note=visible(", ".join(sorted(one.purposes))))
    yield number(t.number(one.total.count))
    yield code(key.order[:DIGITS]) if key.order else Cell(t("page.none"), mark="grave")
    yield Cell(visible(" · ".join(one.references)))
    first, last = one.first.record, one.last.record
    yield number(t.number(first) if first == last else f"{t.number(first)}–{t.number(last)}")
