"""Drawing: SVG elements with classes, which the style sheet colours. Everything written into it is escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.etree import ElementTree as Tree

from markupsafe import Markup


class Drawing:
    """A picture of so many units, which a browser scales. ``label`` tells those who cannot see it what it shows."""

    def __init__(self, width: float, height: float, label: str) -> None:
        self.width = width
        self.height = height
        box = f"0 0 {_text(width)} {_text(height)}"
        self._root = Tree.Element("svg", {"viewBox": box, "role": "img", "aria-label": label})

    def rect(self, x: float, y: float, width: float, height: float, look: str, title: str = "") -> None:
        """A rectangle; ``title`` is what a browser shows where the mouse rests."""
        size = {"x": x, "y": y, "width": max(width, 0.0), "height": max(height, 0.0)}
        self._add("rect", look, title, **size)

    def line(self, x1: float, y1: float, x2: float, y2: float, look: str) -> None:
        """A straight line."""
        self._add("line", look, "", x1=x1, y1=y1, x2=x2, y2=y2)

    def circle(self, x: float, y: float, radius: float, look: str, title: str = "") -> None:
        """A dot."""
        self._add("circle", look, title, cx=x, cy=y, r=radius)

    def polygon(self, points: Sequence[tuple[float, float]], look: str, title: str = "") -> None:
        """A closed shape."""
        element = self._add("polygon", look, title)
        element.set("points", " ".join(f"{_text(x)},{_text(y)}" for x, y in points))

    def text(self, x: float, y: float, text: str, look: str = "") -> None:
        """Text whose baseline begins there (or ends, or has its middle there: class ``end`` or ``mid``)."""
        self._add("text", look, "", x=x, y=y).text = text

    def markup(self) -> Markup:
        """The picture for a page."""
        return Markup(Tree.tostring(self._root, encoding="unicode"))  # noqa: S704 -- ElementTree has escaped it

    def _add(self, name: str, look: str, title: str, **numbers: float) -> Tree.Element:
        attributes = {key: _text(value) for key, value in numbers.items()}
        element = Tree.SubElement(self._root, name, {**({"class": look} if look else {}), **attributes})
        if title:
            Tree.SubElement(element, "title").text = title
        return element


def nice_ticks(largest: float, wanted: int = 4, *, whole: bool = False) -> list[float]:
    """Round values from 0 up to at least the largest, about as many as wanted; ``whole``: only whole numbers."""
    if largest <= 0:
        return [0.0, 1.0]
    rough = largest / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    steps = (factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0))
    step = next((one for one in steps if one >= rough and (not whole or one == int(one))), 1.0)
    slack = 0.0 if whole else 1e-9  # of whole numbers, one too many is one too many
    return [step * number for number in range(math.ceil(largest / step - slack) + 1)]


def _text(value: float) -> str:
    """A coordinate, as short as it can be said to a hundredth."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
