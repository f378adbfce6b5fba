"""Drawing on two logarithmic axes, as an SVG that needs nothing else: no font, no script, light and dark by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.etree import ElementTree as Tree

WIDTH, HEIGHT = 760.0, 430.0
LEFT, RIGHT, TOP, BOTTOM = 78.0, 20.0, 78.0, 54.0
MOST_TICKS = 9
_STYLE = """
svg { color-scheme: light dark; font: 13px system-ui, "DejaVu Sans", sans-serif; }
.paper { fill: #ffffff; } text { fill: #24292f; } .title { font-size: 15px; font-weight: 600; }
.mid { text-anchor: middle; }
.end { text-anchor: end; } .soft { fill: #57606a; } .grid { stroke: #d8dee4; } .axis { stroke: #57606a; }
.line { fill: none; stroke-width: 2.2; } .limit { stroke: #57606a; stroke-width: 1.6; stroke-dasharray: 7 4; }
.peer { fill: #57606a; }
.s0 { stroke: #0550ae; fill: #0550ae; } .s1 { stroke: #bc4c00; fill: #bc4c00; } .s2 { stroke: #1a7f37; fill: #1a7f37; }
@media (prefers-color-scheme: dark) {
.paper { fill: #0d1117; } text { fill: #e6edf3; } .soft { fill: #9da7b1; } .grid { stroke: #2b323b; }
.axis { stroke: #9da7b1; } .limit { stroke: #9da7b1; } .peer { fill: #9da7b1; }
.s0 { stroke: #6cb6ff; fill: #6cb6ff; } .s1 { stroke: #f0883e; fill: #f0883e; } .s2 { stroke: #57d364; fill: #57d364; }
}
text { paint-order: stroke; stroke: #ffffff; stroke-width: 3px; } .line { fill: none; }
@media (prefers-color-scheme: dark) { text { stroke: #0d1117; } }
"""


class Axis:
    """A logarithmic scale from ``low`` to ``high`` on pixels ``start`` to ``end``."""

    def __init__(self, values: Sequence[float], start: float, end: float, *, pad: float = 1.0) -> None:
        self.low, self.high = min(values) / pad, max(values) * pad
        if self.low == self.high:
            self.low, self.high = self.low / 2, self.high * 2
        self._start, self._length = start, end - start

    def at(self, value: float) -> float:
        """Where a value lies."""
        return self._start + self._length * math.log(value / self.low) / math.log(self.high / self.low)

    def ticks(self) -> list[float]:
        """Powers of ten; with twos and fives between them where there are few."""
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        steps = (1,) if self.high / self.low > 30 else (1, 2, 5)
        return [value for p in powers for s in steps if self.low <= (value := s * 10.0**p) <= self.high]


def data_ticks(values: Sequence[float]) -> list[float]:
    """Of the values themselves, evenly thinned to as many as there is room for."""
    step = -(-len(values) // MOST_TICKS)
    return list(values[::step])


def brief(value: float) -> str:
    """A number on an axis: 65,536 in full; 2 M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size and (value >= 1e5 or value % size == 0):
            return f"{value / size:,.3g} {letter}"
    return f"{value:,.3g}" if value < 1_000 else f"{value:,.0f}"


class Picture:
    """An SVG; ``title`` and ``description`` are for those who cannot see it, too."""

    def __init__(self, name: str, title: str, description: str) -> None:
        box = f"0 0 {WIDTH:g} {HEIGHT:g}"
        names = f"{name}-title {name}-desc"
        space = "http://www.w3.org/2000/svg"
        self._root = Tree.Element("svg", {"xmlns": space, "viewBox": box, "role": "img", "aria-labelledby": names})
        self._add("title", id=f"{name}-title").text = title
        self._add("desc", id=f"{name}-desc").text = description
        self._add("style").text = _STYLE
        self._add("rect", "paper", width=WIDTH, height=HEIGHT, rx=6.0)

    def line(self, x1: float, y1: float, x2: float, y2: float, look: str) -> None:
        """A straight line."""
        self._add("line", look, x1=x1, y1=y1, x2=x2, y2=y2)

    def path(self, points: Sequence[tuple[float, float]], look: str) -> None:
        """A line through points, each a dot."""
        joined = " ".join(f"{_text(x)},{_text(y)}" for x, y in points)
        self._add("polyline", f"line {look}", points=joined)
        for x, y in points:
            self._add("circle", look, cx=x, cy=y, r=3.0)

    def diamond(self, x: float, y: float, look: str) -> None:
        """A mark."""
        corners = ((x, y - 5), (x + 5, y), (x, y + 5), (x - 5, y))
        self._add("polygon", look, points=" ".join(f"{_text(a)},{_text(b)}" for a, b in corners))

    def swatch(self, x: float, y: float, look: str) -> None:
        """The colour of a line, in a legend."""
        self._add("rect", look, x=x, y=y, width=14.0, height=5.0, rx=1.0)

    def text(self, x: float, y: float, words: str, look: str = "", *, turned: bool = False) -> None:
        """Words that begin there, or end (``end``), or have their middle there (``mid``)."""
        turn = {"transform": f"rotate(-90 {_text(x)} {_text(y)})"} if turned else {}
        self._add("text", look, x=x, y=y, **turn).text = words

    def markup(self) -> str:
        """The file."""
        Tree.indent(self._root)
        return Tree.tostring(self._root, encoding="unicode") + "\n"

    def _add(self, element: str, look: str = "", **attributes: float | str) -> Tree.Element:
        said = {key: value if isinstance(value, str) else _text(value) for key, value in attributes.items()}
        return Tree.SubElement(self._root, element, {**({"class": look} if look else {}), **said})


def _text(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
