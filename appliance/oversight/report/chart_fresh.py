"""How old each witness's cosignature is, as a gauge against the policy's two thresholds."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from appliance.oversight.report.svg import Drawing
from appliance.oversight.report.witnesses import Witnessed
from appliance.oversight.report.words import Words

_WIDTH = 1_000.0
_LEFT = 6.0
_ROW = 46.0
_BAR = 16.0


def gauge(
    t: Words, label: str, witnesses: Sequence[Witnessed], now: float, warn: int | None, refuse: int | None
) -> Markup:
    """The picture. ``now``: the last record's time; ``warn``, ``refuse``: the policy's thresholds, in seconds."""
    ages = [now - one.time for one in witnesses if one.time is not None]
    largest = max([*(age * 1.1 for age in ages), (refuse or 0) * 1.25, (warn or 0) * 1.25, 60.0])
    scale = (_WIDTH - 2 * _LEFT) / largest
    drawing = Drawing(_WIDTH, _ROW * len(witnesses) + 26, label)
    for place, one in enumerate(witnesses):
        y = place * _ROW
        drawing.text(_LEFT, y + 14, f"{one.name} · {one.kind}", "rowname")
        _zones(drawing, y + 20, scale, largest, warn, refuse)
        if one.time is not None:
            x = _LEFT + max(now - one.time, 0) * scale
            drawing.polygon([(x - 6, y + 15), (x + 6, y + 15), (x, y + 24)], "needle")
            drawing.line(x, y + 18, x, y + 20 + _BAR + 3, "needleline")
            look = "value end" if x > _WIDTH * 0.8 else "value"
            drawing.text(x + (-9 if look != "value" else 9), y + 33, t.duration(max(now - one.time, 0)), look)
    _legend(drawing, t, _ROW * len(witnesses) + 14, scale, warn, refuse)
    return drawing.markup()


def _zones(drawing: Drawing, y: float, scale: float, largest: float, warn: int | None, refuse: int | None) -> None:
    refused_from = largest if refuse is None else float(refuse)
    ends = [refused_from if warn is None else float(warn), refused_from, largest]
    begin = 0.0
    for look, end in zip(("zone0", "zone1", "zone2"), ends, strict=True):
        if end > begin:
            drawing.rect(_LEFT + begin * scale, y, (end - begin) * scale, _BAR, look)
            begin = end


def _legend(drawing: Drawing, t: Words, y: float, scale: float, warn: int | None, refuse: int | None) -> None:
    for key, seconds in (("fresh.warn", warn), ("fresh.refuse", refuse)):
        if seconds is not None:
            x = _LEFT + seconds * scale
            drawing.line(x, y - 15, x, y - 9, "tick")
            drawing.text(x, y + 3, t(key, time=t.duration(seconds)), "label mid")
