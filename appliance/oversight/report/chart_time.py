"""The time axis that charts share: where a day lies, weekends, and dates along the bottom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from appliance.oversight.report.buckets import Bucket
from appliance.oversight.report.moments import WEEKEND, weekday_of
from appliance.oversight.report.svg import Drawing, nice_ticks
from appliance.oversight.report.words import Words

WIDTH = 1_000.0
LEFT = 58.0
RIGHT = 6.0
LABEL_HEIGHT = 24.0
_CLOSEST_LABELS = 60.0
_WIDEST_BAR = 48.0


class Axis:
    """The bars of a time line, side by side from ``left`` to the right edge."""

    def __init__(self, bars: Sequence[Bucket], left: float = LEFT) -> None:
        self.bars = bars
        self.left = left
        self.first = bars[0].first
        self.days = bars[-1].last - self.first + 1
        self._scale = (WIDTH - left - RIGHT) / self.days

    def x(self, day: float) -> float:
        """Where a day begins."""
        return self.left + (day - self.first) * self._scale

    def bar(self, bucket: Bucket) -> tuple[float, float]:
        """Where a bar begins, and how wide it is; a little space is left between bars."""
        x, width = self.x(bucket.first), (bucket.last - bucket.first + 1) * self._scale
        bar = min(max(width - 2.0, width * 0.82), _WIDEST_BAR)
        return x + (width - bar) / 2, bar

    def weekends(self, drawing: Drawing, top: float, bottom: float) -> None:
        """Grey bands behind Saturdays and Sundays, where bars are days."""
        if all(bucket.first == bucket.last for bucket in self.bars):
            for bucket in self.bars:
                if weekday_of(bucket.first) in WEEKEND:
                    drawing.rect(self.x(bucket.first), top, self._scale, bottom - top, "weekend")

    def dates(self, drawing: Drawing, y: float) -> None:
        """Dates below, at Mondays if bars are days; the year stands at the left and where another one begins."""
        year, last = date.fromordinal(self.first).year, -_CLOSEST_LABELS
        drawing.text(self.left - 7, y + 19, str(year), "label end")
        for bucket in self.bars:
            day, x = date.fromordinal(bucket.first), self.x(bucket.first)
            is_start = bucket.first != bucket.last or day.weekday() == 0 or len(self.bars) < 8
            if is_start and x - last >= _CLOSEST_LABELS and x <= WIDTH - 40:
                wide = self._scale * (bucket.last - bucket.first + 1) > _CLOSEST_LABELS
                middle, look = (x + self._scale / 2, "label mid") if wide else (x, "label")
                drawing.line(middle, y, middle, y + 5, "tick")
                drawing.text(middle, y + 19, f"{day:%m-%d}" if day.year == year else f"{day:%Y-%m}", look)
                year, last = day.year, x


def grid(drawing: Drawing, t: Words, top: float, bottom: float, largest: float, *, share: bool = False) -> float:
    """Horizontal lines with their values; what the topmost one stands for."""
    ticks = nice_ticks(largest or (0.01 if share else 1.0), 3 if bottom - top < 90 else 4, whole=not share)
    for value in ticks:
        y = bottom - (bottom - top) * value / ticks[-1]
        drawing.line(LEFT, y, WIDTH - RIGHT, y, "axis" if value == 0 else "grid")
        drawing.text(LEFT - 7, y + 4.5, t.share(value) if share else t.compact(round(value)), "label end")
    return ticks[-1]
