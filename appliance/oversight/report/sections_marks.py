"""The section about what people said they do not recognise."""

from __future__ import annotations

from collections.abc import Iterator

from appliance.commandline import visible
from appliance.oversight.report.blocks import Cell, Section, Table, code, number
from appliance.oversight.report.marks import Recalled
from appliance.oversight.report.subject import Subject

MOST_ROWS = 40


def marked(subject: Subject) -> Section:
    """Each record that was marked, the one marked last first, and what it is."""
    t, held = subject.t, subject.evidence.marks
    title = t("section.marks")
    if not held:
        return Section("marks", title, t("lead.marks_none"), ())
    names = ("when", "mark", "marked", "who", "pair", "converted_at", "reference")
    rows = tuple(tuple(_mark(subject, one)) for one in held[:MOST_ROWS])
    rest = t("page.rest", count=len(held) - MOST_ROWS) if len(held) > MOST_ROWS else ""
    columns = tuple(t(f"column.{name}") for name in names)
    table = Table(title, columns, rows, frozenset({1, 2}), rest=rest, stacks=True)
    total = subject.statistics.kinds["not_recognised"]
    return Section("marks", title, t("lead.marks", count=total, records=len(held)), (table,))


def _mark(subject: Subject, one: Recalled) -> Iterator[Cell]:
    t, said, record = subject.t, one.said, one.conversion
    yield Cell(subject.clock.minute(said.time))
    yield Cell(t.number(said.record), "n", note=t("fact.times", count=said.times) if said.times > 1 else "")
    yield number(t.number(said.marked))
    if record is None:
        yield from (Cell(t("page.not_here")), Cell("–"), Cell("–"))
    else:
        yield code(visible(record.role), note=f"{t('column.uid')} {record.uid}")
        yield code(visible(f"{record.source} → {record.target}"), note=visible(record.purpose))
        yield Cell(subject.clock.minute(record.time))
    yield Cell(visible(said.reference))
