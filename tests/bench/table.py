"""The figures for a person: a table, each figure beside what it is held against, its goal, and whether it is met."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rich.table import Table

from tests.bench.figures import Figure

COLUMNS = ("figure", "seen", "as a ratio", "goal")


class Row(NamedTuple):
    """One figure in words."""

    what: str
    seen: str
    ratio: str
    goal: str


def rows(figures: Iterable[Figure]) -> Iterator[Row]:
    """A row for each figure."""
    for one in figures:
        yield Row(one.what, quantity(one.value, one.unit), ratio(one), goal(one))


def table(figures: Iterable[Figure], left_out: dict[str, str]) -> Table:
    """All figures."""
    sheet = Table(title="Kagimori, verified conversions B → E", title_justify="left")
    for name in COLUMNS:
        sheet.add_column(name, justify="right" if name in ("seen", "as a ratio") else "left")
    for row in rows(figures):
        sheet.add_row(*(text.replace("`", "") for text in row))
    for what, why in left_out.items():
        sheet.add_row(what, "", "", f"left out: {why}")
    return sheet


def quantity(value: float, unit: str) -> str:
    """A value as a person reads it."""
    if unit == "/s" and value >= 1e5:
        return f"{value / 1e6:.2f} M/s"
    return f"{value:,.{_decimals(value)}f}{'' if unit == '/s' else ' '}{unit}"


def _decimals(value: float) -> int:
    return 2 if value < 1 else 1 if value < 100 else 0


def ratio(figure: Figure) -> str:
    """The ratio with what it is to; nothing for the limit itself."""
    if figure.ratio is None or figure.limit is None:
        return ""
    if figure.what == figure.limit.what:
        return "1"
    limit = _briefly(figure.limit.what)
    if figure.times:
        return f"{figure.ratio:,.{2 if figure.ratio < 10 else 1}f} × {limit}"
    return f"{100 * figure.ratio:.3g} % of {limit}"


def _briefly(limit: str) -> str:
    """Long names of limits stand in full in a row of their own."""
    return limit.partition(":")[0] if len(limit) < 40 else "the floor"


def goal(figure: Figure) -> str:
    """The goal, with whether it is met."""
    wanted = figure.goal
    if wanted is None:
        return ""
    bound = wanted.at_least if wanted.at_least is not None else wanted.at_most
    assert bound is not None
    if wanted.of == "value":
        text = quantity(bound, figure.unit)
    else:
        text = f"{bound:g} ×" if figure.times else f"{100 * bound:g} %"
    return f"{'✓' if figure.met else '✗'} {'≥' if wanted.at_least is not None else '≤'} {text}"
