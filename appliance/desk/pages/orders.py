"""Disclosure orders: those at hand against what was done under them, then everything that the log says of orders."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from appliance.commandline import visible
from appliance.desk.blocks import Block, Notice, Section
from appliance.desk.seen import Seen
from appliance.oversight.report import sections_orders
from appliance.oversight.report.blocks import Cell, Prose, Table, code, number, part_of
from appliance.oversight.report.blocks import Section as ReportSection
from appliance.oversight.report.orders import HeldOrder

Condition = Literal["early", "open", "ended", "used_up", "over"]
_FIRST: tuple[Condition, ...] = ("over", "open", "early", "used_up", "ended")
DIGITS = 16


def orders(seen: Seen) -> tuple[Section | ReportSection, ...]:
    """Those at hand, and the report's section."""
    return _held(seen), sections_orders.orders(seen.subject)


def condition(seen: Seen, held: HeldOrder) -> Condition:
    """How an order stands now."""
    used = _used(seen, held)
    if used > held.order.most:
        return "over"
    if seen.now < datetime.fromisoformat(held.order.not_before):
        return "early"
    if (seen.now - datetime.fromisoformat(held.order.not_after)).total_seconds() >= 1:  # its last second counts
        return "ended"
    return "used_up" if used == held.order.most else "open"


def _used(seen: Seen, held: HeldOrder) -> int:
    use = seen.view.statistics.orders.get(held.digest)
    return 0 if use is None else use.total.count


def _held(seen: Seen) -> Section:
    t, title = seen.t, seen.t("order.held")
    blocks: list[Block] = [Notice("wait", f"{t('order.strange')}: {visible(one)}") for one in seen.view.strange]
    if not seen.view.orders:
        return Section("held", title, "", (*blocks, Prose(t("order.none"))))
    names = ("condition", "order", "case", "pair", "used", "most", "left", "ends")
    columns = tuple(t(f"column.{name}") for name in names)
    ordered = sorted(seen.view.orders.values(), key=lambda held: (_FIRST.index(condition(seen, held)), held.digest))
    rows = tuple(tuple(_order(seen, held)) for held in ordered)
    table = Table(title, columns, rows, frozenset({5, 6}), look="bars orders", stacks=True)
    return Section("held", title, "", (*blocks, table))


def _order(seen: Seen, held: HeldOrder) -> Iterator[Cell]:
    t, order, clock = seen.t, held.order, seen.clock
    standing, used = condition(seen, held), _used(seen, held)
    yield Cell(t(f"order.{standing}"), mark="grave" if standing == "over" else "strong" if standing == "open" else "")
    yield code(held.digest[:DIGITS])
    yield Cell(visible(order.case), note=visible(", ".join(held.signers)))
    yield code(visible(f"{order.source} → {order.target}"), note=visible(f"{order.role} · {order.purpose}"))
    mark = "grave" if used > order.most else ""
    yield Cell(t.number(used), "bar", part_of(used, order.most), mark=mark)
    yield number(t.number(order.most))
    yield number(t.number(max(order.most - used, 0)))
    yield Cell(clock.minute(order.not_after), note=_left(seen, order.not_after))


def _left(seen: Seen, instant: str) -> str:
    left = (datetime.fromisoformat(instant) - seen.now).total_seconds()
    return seen.t("plan.expires_in", at="", left=seen.t.duration(left)).strip() if left > 0 else ""
