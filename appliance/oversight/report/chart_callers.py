"""A caller's days in a small chart: what it handed in, its usual day, and the days beyond the threshold."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from appliance.oversight.report.svg import Drawing
from appliance.oversight.report.usual import Usual

_WIDTH = 300.0
_HEIGHT = 46.0
_TOP = 9.0


def spark(label: str, amounts: Mapping[int, int], first: int, last: int, usual: Usual | None) -> Markup:
    """The picture; ``amounts`` by day, from the period's first to its last day."""
    drawing = Drawing(_WIDTH, _HEIGHT, label)
    step, largest = _WIDTH / (last - first + 1), max(amounts.values(), default=0)
    scale = (_HEIGHT - _TOP - 1) / max(largest, 1)
    for day, amount in sorted(amounts.items()):
        x, tall = (day - first) * step, max(amount * scale, 0.8)
        beyond = usual is not None and amount > usual.upper
        drawing.rect(x, _HEIGHT - 1 - tall, max(step * 0.82, 0.6), tall, "beyond" if beyond else "converted")
        if beyond:
            middle = x + step / 2
            drawing.polygon([(middle - 4, 0), (middle + 4, 0), (middle, 7)], "ask")
    drawing.line(0, _HEIGHT - 0.5, _WIDTH, _HEIGHT - 0.5, "axis")
    if usual is not None and usual.middle <= largest:
        y = _HEIGHT - 1 - usual.middle * scale
        drawing.line(0, y, _WIDTH, y, "usual")
    return drawing.markup()
