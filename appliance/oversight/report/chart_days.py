"""The time line: numbers, the share of unknown ones and look-ups by day, with the days to be asked about marked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from appliance.oversight.report.buckets import Bucket
from appliance.oversight.report.chart_time import LABEL_HEIGHT, LEFT, WIDTH, Axis, grid
from appliance.oversight.report.svg import Drawing
from appliance.oversight.report.tallies import Day
from appliance.oversight.report.words import Words

MOST_CODES = 5  # kinds of bars on top of each other
_MARKS = 22.0
_TITLE = 28.0


@dataclass(frozen=True, slots=True)
class _Panel:
    """A row of bars: its title, the class of its bars, their values, its height."""

    title: str
    look: str
    value: Callable[[Day], float]
    height: float
    share: bool = False


def _unknown(day: Day) -> float:
    return day.unknown / day.count if day.count else 0.0


_NUMBERS = _Panel("fact.numbers", "converted", lambda day: day.converted, 170.0)
_UNKNOWN = _Panel("fact.unknown", "unknown", _unknown, 74.0, share=True)
_LOOKUPS = _Panel("fact.lookups", "lookups", lambda day: day.lookups, 60.0)


def time_line(
    t: Words, label: str, bars: Sequence[Bucket], asked: Collection[int], held: Collection[int], *, lookups: bool
) -> Markup:
    """The picture.

    Args:
        t: the language.
        label: what it shows, in words.
        bars: the days.
        asked: the days that a grave finding is about.
        held: the days on which a ceremony was held.
        lookups: whether there were any, so that they get a row.
    """
    panels = [_NUMBERS, _UNKNOWN, *([_LOOKUPS] if lookups else [])]
    height = sum(_TITLE + panel.height for panel in panels)
    drawing = Drawing(WIDTH, _MARKS + height + LABEL_HEIGHT, label)
    axis, top = Axis(bars), _MARKS
    _marks(drawing, axis, asked, held)
    for panel in panels:
        _draw(drawing, t, axis, top, panel)
        top += _TITLE + panel.height
    axis.dates(drawing, top - 1)
    return drawing.markup()


def _draw(drawing: Drawing, t: Words, axis: Axis, top: float, panel: _Panel) -> None:
    """One row of bars under its title."""
    drawing.text(LEFT, top + 20, t(panel.title), "rowname")
    top, bottom = top + _TITLE, top + _TITLE + panel.height
    axis.weekends(drawing, top, bottom)
    values = [panel.value(bucket.day) for bucket in axis.bars]
    full = grid(drawing, t, top, bottom, max(values), share=panel.share)
    for bucket, much in zip(axis.bars, values, strict=True):
        if much:
            x, width = axis.bar(bucket)
            tall = max(panel.height * much / full, 1.0)
            shown = t.share(much) if panel.share else t.number(round(much))
            drawing.rect(x, bottom - tall, width, tall, panel.look, f"{bucket.text}: {shown}")


def _marks(drawing: Drawing, axis: Axis, asked: Collection[int], held: Collection[int]) -> None:
    for bucket in axis.bars:
        x, width = axis.bar(bucket)
        days = range(bucket.first, bucket.last + 1)
        middle, high = x + width / 2, 8.0
        if any(day in asked for day in days):
            drawing.polygon([(middle - 5, high - 6), (middle + 5, high - 6), (middle, high + 3)], "ask", bucket.text)
            drawing.line(middle, high + 3, middle, _MARKS + _TITLE + _NUMBERS.height, "askline")
        if any(day in held for day in days):
            low = high + 10
            points = [(middle, low - 5), (middle + 5, low), (middle, low + 5), (middle - 5, low)]
            drawing.polygon(points, "held", bucket.text)


def stacked(t: Words, label: str, bars: Sequence[Bucket], codes: Sequence[str]) -> Markup:
    """Refusals by day, the most frequent codes on top of each other, in the order of ``codes``; the rest as one."""
    height, top = 130.0, 10.0
    drawing = Drawing(WIDTH, height + top + LABEL_HEIGHT, label)
    axis = Axis(bars)
    axis.weekends(drawing, top, top + height)
    full = grid(drawing, t, top, top + height, max(bucket.day.refused.total() for bucket in bars))
    for bucket in bars:
        x, width = axis.bar(bucket)
        base = top + height
        for place, (code, count) in enumerate(_split(bucket, codes)):
            if count:
                tall = height * count / full
                base -= tall
                drawing.rect(x, base, width, tall, f"kind{place}", f"{bucket.text} {code}: {t.number(count)}")
    axis.dates(drawing, top + height - 1)
    return drawing.markup()


def _split(bucket: Bucket, codes: Sequence[str]) -> list[tuple[str, int]]:
    refused = bucket.day.refused
    named = [(code, refused[code]) for code in codes]
    return [*named, ("…", refused.total() - sum(count for _, count in named))]
