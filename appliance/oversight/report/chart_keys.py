"""The keys as a picture: every generation's states along the time of the ledger, domain by domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from appliance.ledger.chain import Entry
from appliance.ledger.states import GONE
from appliance.oversight.report.keystory import DomainStory, KeyStory, Span
from appliance.oversight.report.moments import Clock
from appliance.oversight.report.svg import Drawing
from appliance.oversight.report.words import Words

_WIDTH = 1_000.0
_LEFT = 168.0
_RIGHT = 96.0
_TOP = 34.0
_ROW = 22.0
_GAP = 8.0
_BAR = 15.0
_WIDE_ENOUGH = 8.0  # units a letter, roughly, for a name to fit into its bar


@dataclass(frozen=True)
class Times:
    """The ends of the time axis, and the period of the report, in POSIX seconds."""

    begins: float
    ends: float
    period: tuple[float, float]
    clock: Clock

    def x(self, moment: float) -> float:
        """Where a moment lies."""
        part = (moment - self.begins) / max(self.ends - self.begins, 1.0)
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(max(part, 0.0), 1.0)

    def date(self, moment: float) -> str:
        """Its date."""
        return f"{datetime.fromtimestamp(moment, self.clock.zone):%Y-%m-%d}"


def picture(t: Words, label: str, domains: Sequence[DomainStory], entries: Sequence[Entry], times: Times) -> Markup:
    """The picture; ``entries`` are the ceremonies, whose numbers stand along the top."""
    rows = sum(len(domain.keys) for domain in domains)
    bottom = _TOP + rows * _ROW + len(domains) * _GAP
    drawing = Drawing(_WIDTH, bottom + 24, label)
    begin, end = (times.x(moment) for moment in times.period)
    drawing.rect(begin, _TOP - 6, max(end - begin, 2.0), bottom - _TOP + 6, "period")
    _ceremonies(drawing, entries, times, bottom)
    y = _TOP
    for domain in domains:
        drawing.line(0, y + 1, _WIDTH, y + 1, "grid")
        drawing.text(0, y + _ROW - 4, domain.name, "rowname")
        y += _GAP / 2
        for key in domain.keys:
            _key(drawing, t, key, times, y)
            y += _ROW
        y += _GAP / 2
    drawing.line(0, y + 1, _WIDTH, y + 1, "grid")
    _months(drawing, times, bottom)
    return drawing.markup()


def posix(instant: str) -> float:
    """An instant of the ledger in seconds since 1970."""
    return datetime.fromisoformat(instant).timestamp()


def _ceremonies(drawing: Drawing, entries: Sequence[Entry], times: Times, bottom: float) -> None:
    last = -100.0
    for entry in entries:
        x = times.x(posix(entry.outcome.finished))
        drawing.line(x, _TOP - 8, x, bottom, "ceremony")
        if x - last >= 17:
            drawing.text(x, _TOP - 13, str(entry.sequence), "label mid")
            last = x


def _key(drawing: Drawing, t: Words, key: KeyStory, times: Times, y: float) -> None:
    drawing.text(_LEFT - 10, y + 12, str(key.generation.number), "label end")
    for span in key.spans:
        _span(drawing, t, key, span, times, y)
    name = t(f"state.{key.now.state.value}")
    shown = f"● {t('state.current')}" if key.current else name
    drawing.text(_WIDTH - _RIGHT + 8, y + 12, shown, "now" if key.current else "label")


def _span(drawing: Drawing, t: Words, key: KeyStory, span: Span, times: Times, y: float) -> None:
    x = times.x(posix(span.begins))
    end = times.x(posix(span.ends)) if span.ends else times.x(times.ends)
    name = t(f"state.{span.state.value}")
    title = f"{key.generation}: {name}, {span.begins}" + (f" – {span.ends}" if span.ends else "")
    if span.state in GONE:
        for slope in (-4, 4):
            drawing.line(x - 4, y + _BAR / 2 - slope, x + 4, y + _BAR / 2 + slope, "gone")
        return
    drawing.rect(x, y, max(end - x, 3.0), _BAR, f"key {span.state.value}", title)
    if end - x > 12 + len(name) * _WIDE_ENOUGH * (1.6 if t.language == "ja" else 1.0):
        drawing.text(x + 6, y + 11.5, name, f"inbar {span.state.value}")


def _months(drawing: Drawing, times: Times, y: float) -> None:
    """About six dates below."""
    for number in range(6):
        moment = times.begins + (times.ends - times.begins) * number / 5
        x = times.x(moment)
        drawing.line(x, y + 1, x, y + 6, "tick")
        look = "label" if number == 0 else "label end" if number == 5 else "label mid"
        drawing.text(x, y + 20, times.date(moment), look)
