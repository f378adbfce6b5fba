"""What happened to the service, as dots along the time: a row for each kind of event."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from appliance.oversight.report.chart_time import LABEL_HEIGHT, Axis
from appliance.oversight.report.moments import HOURS, Clock
from appliance.oversight.report.svg import Drawing
from appliance.oversight.report.tallies import Event
from appliance.oversight.report.words import Words

ORDER = (
    "start",
    "stop",
    "ledger_loaded",
    "ceremony",
    "ledger_refused",
    "engine_lost",
    "engine_regained",
    "audit_lost",
    "audit_regained",
    "repair",
    "pruned",
)
TROUBLE = frozenset({"ledger_refused", "engine_lost", "audit_lost", "repair"})
LEFT = 196.0
_ROW = 27.0
_WIDTH = 1_000.0


def strip(t: Words, label: str, events: Sequence[Event], axis: Axis, clock: Clock) -> Markup:
    """The picture; ``axis`` begins at `LEFT`. Kinds that never happened are left out; trouble is a triangle."""
    kinds = [kind for kind in ORDER if any(event.kind == kind for event in events)]
    bottom = len(kinds) * _ROW
    drawing = Drawing(_WIDTH, bottom + LABEL_HEIGHT, label)
    axis.weekends(drawing, 0, bottom)
    for place, kind in enumerate(kinds):
        y = (place + 0.5) * _ROW
        there = [event for event in events if event.kind == kind]
        drawing.text(0, y + 5, t(f"event.{kind}"), "rowname")
        drawing.text(LEFT - 14, y + 5, t.number(len(there)), "label end")
        drawing.line(0, y + _ROW / 2, axis.x(axis.first + axis.days), y + _ROW / 2, "grid")
        for event in there:
            _dot(drawing, event, axis, clock, y)
    axis.dates(drawing, bottom)
    return drawing.markup()


def _dot(drawing: Drawing, event: Event, axis: Axis, clock: Clock, y: float) -> None:
    at = clock.at(event.mark.time)
    x = axis.x(at.day + at.hour / HOURS)
    title = f"{clock.minute(event.mark.time)} ({event.mark.record})"
    if event.kind in TROUBLE:
        drawing.polygon([(x - 6, y + 5), (x + 6, y + 5), (x, y - 7)], "trouble", title)
    else:
        drawing.circle(x, y, 4, "event", title)
