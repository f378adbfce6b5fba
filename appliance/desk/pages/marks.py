"""What people did not recognise: each mark with the conversion that it is about, and how it stands among the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from appliance.audit.records import Conversion
from appliance.commandline import visible
from appliance.desk.blocks import Section
from appliance.desk.pages.overview import recent
from appliance.desk.seen import Seen
from appliance.oversight.report.blocks import Cell, Prose, Table, code, number
from appliance.oversight.report.marks import Recalled

_Callers = Counter[tuple[str, int]]


def marks(seen: Seen) -> tuple[Section, ...]:
    """Every mark that is kept."""
    t, held = seen.t, seen.view.evidence.marks
    title, every = t("section.marks"), seen.view.statistics.kinds["not_recognised"]
    if not held:
        return (Section("marks", title, "", (Prose(t("lead.marks_none")),)),)
    names = ("when", "mark", "marked", "converted_at", "who", "pair", "reference", "condition")
    columns = tuple(t(f"column.{name}") for name in names)
    callers: _Callers = Counter(_caller(one.conversion) for one in held if one.conversion is not None)
    rows = tuple(tuple(_mark(seen, one, callers)) for one in held)
    table = Table(title, columns, rows, frozenset({1, 2}), look="marks", stacks=True)
    return (Section("marks", title, t("lead.marks", count=every, records=len(held)), (table,)),)


def _caller(record: Conversion) -> tuple[str, int]:
    return record.role, record.uid


def _mark(seen: Seen, one: Recalled, callers: _Callers) -> Iterator[Cell]:
    t, clock, said, made = seen.t, seen.clock, one.said, one.conversion
    yield Cell(clock.minute(said.time))
    yield number(t.number(said.record))
    yield number(t.number(said.marked))
    if made is None:
        yield from (Cell(t("page.not_here")), Cell("–"), Cell("–"))
    else:
        yield Cell(clock.minute(made.time))
        yield code(visible(made.role), note=f"{t('column.uid')} {made.uid}")
        pair, numbers = f"{made.source} → {made.target}", t("mark.numbers", count=made.count)
        yield code(visible(pair), note=visible(f"{made.purpose} · {made.reference} · {numbers}"))
    yield Cell(visible(said.reference))
    new = recent(seen, said.time)
    standing = t("mark.new" if new else "mark.older")
    yield Cell(standing, mark="grave" if new else "light", note=_more(seen, one, callers))


def _more(seen: Seen, one: Recalled, callers: _Callers) -> str:
    """What else is to be known of it."""
    t, told = seen.t, []
    if one.said.times > 1:
        told.append(t("fact.times", count=one.said.times))
    if one.conversion is not None and callers[_caller(one.conversion)] > 1:
        told.append(t("mark.caller", count=callers[_caller(one.conversion)]))
    if one.conversion is not None and one.conversion.order:
        told.append(t("mark.order", order=one.conversion.order[:16]))
    return " · ".join(told)
