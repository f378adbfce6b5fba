"""The ledger along time: a picture of its entries, and each of them with its actions and who agreed."""

from __future__ import annotations

from datetime import datetime

from markupsafe import Markup

from appliance.desk.blocks import Section
from appliance.desk.seen import Seen
from appliance.oversight.report import sections_trust
from appliance.oversight.report.blocks import Chart, Table
from appliance.oversight.report.chart_keys import posix
from appliance.oversight.report.svg import Drawing

_WIDTH = 1_000.0
_EDGE = 16.0
_LINE = 74.0
_RISE = 22.0
_LEVELS = 3  # how many numbers stand above each other where entries are close
_CLOSE = 30.0


def ledger(seen: Seen) -> tuple[Section, ...]:
    """Every entry."""
    made = sections_trust.ceremonies(seen.subject)
    title = seen.t("ledger.picture", count=len(seen.view.evidence.entries))
    table = next(block for block in made.blocks if isinstance(block, Table))
    return (Section(made.name, made.title, made.lead, (Chart(title, _picture(seen, title), table),)),)


def _picture(seen: Seen, label: str) -> Markup:
    """Dots along a line, each with its entry's number; the title is where the mouse rests, and in the table."""
    entries = seen.view.evidence.entries
    begins, ends = posix(entries[0].outcome.finished), max(seen.now.timestamp(), posix(entries[-1].outcome.finished))
    scale = (_WIDTH - 2 * _EDGE) / max(ends - begins, 1.0)
    drawing = Drawing(_WIDTH, _LINE + 34, label)
    drawing.line(_EDGE, _LINE, _WIDTH - _EDGE, _LINE, "axis")
    last, level = -_CLOSE, 0
    for entry in entries:
        x = _EDGE + (posix(entry.outcome.finished) - begins) * scale
        level = (level + 1) % _LEVELS if x - last < _CLOSE else 0
        top, last = _LINE - 14 - level * _RISE, x
        drawing.line(x, _LINE, x, top + 4, "ceremony")
        drawing.circle(x, _LINE, 6, "event", seen.t("ledger.entry", sequence=entry.sequence, title=entry.plan.title))
        drawing.text(x, top, str(entry.sequence), "rowname mid")
    for x, moment, look in ((_EDGE, begins, "label"), (_WIDTH - _EDGE, ends, "label end")):
        drawing.text(x, _LINE + 26, f"{datetime.fromtimestamp(moment, seen.clock.zone):%Y-%m-%d}", look)
    return drawing.markup()
