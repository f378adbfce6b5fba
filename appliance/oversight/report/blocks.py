"""What a page is made of: sections of blocks, which say what is to be shown; the templates say how."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup

LEVELS = 8  # shades of a matrix above white


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table. ``kind``: "" text, "n" a number, "code" something of the log or the ledger, "bar" with a bar.

    ``bar``: length of its bar, 0 to 1; ``note``: small print below; ``chart``: a small chart instead of text.
    """

    text: str
    kind: str = ""
    bar: float = 0.0
    note: str = ""
    mark: str = ""
    chart: Markup | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table. ``numbers``: which columns are right-aligned; ``folded``: behind a chart that shows the same.

    ``heading``: stands above it, where a section has several. ``rest``: what was left out. ``stacks``: on a narrow
    screen each row becomes a card, its cells below each other under the columns' names.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numbers: frozenset[int] = frozenset()
    folded: bool = False
    look: str = ""
    rest: str = ""
    heading: str = ""
    stacks: bool = False
    block = "table"


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture, with the table of its numbers. ``legend``: the classes of its colours and what they stand for."""

    title: str
    picture: Markup
    table: Table
    legend: tuple[tuple[str, str], ...] = ()
    width: str = "wide"
    block = "chart"


@dataclass(frozen=True, slots=True)
class Shade:
    """A field of a matrix; ``level`` 0 (white) to `LEVELS`; ``barred``: it cannot be."""

    text: str
    level: int = 0
    barred: bool = False


@dataclass(frozen=True, slots=True)
class Heading:
    """A row's or column's heading: a name, and what it means."""

    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Matrix:
    """A table whose fields are shaded: a heat map that is read without colours, too."""

    caption: str
    corner: str
    columns: tuple[Heading, ...]
    rows: tuple[tuple[Heading, tuple[Shade, ...]], ...]
    look: str = ""
    block = "matrix"


@dataclass(frozen=True, slots=True)
class Prose:
    """A paragraph."""

    text: str
    look: str = ""
    block = "prose"


Block = Table | Chart | Matrix | Prose


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with a heading; ``name`` is its anchor as well."""

    name: str
    title: str
    lead: str
    blocks: tuple[Block, ...]


def code(text: str, note: str = "") -> Cell:
    """Something that the log or the ledger says, as it says it."""
    return Cell(text, "code", note=note)


def number(text: str) -> Cell:
    """A number."""
    return Cell(text, "n")


def level_of(value: int, largest: int) -> int:
    """The shade of a value by its cube root, which keeps small and large apart: 0 for none, `LEVELS` for the most."""
    if value <= 0:
        return 0
    return max(1, round(LEVELS * math.cbrt(value / largest)))


def part_of(value: float, largest: float) -> float:
    """The length of a bar, 0 to 1."""
    return min(1.0, value / largest) if largest > 0 else 0.0
