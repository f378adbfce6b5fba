"""What a measurement found, as a table for the screen and for the page."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from pathlib import Path

from tests.matching.measured import AMONG, COLUMNS, NOT_AMONG, NOT_FOUND, RIGHT, WRONG, Measured
from tests.matching.sectornoise import KINDS
from tests.world import PROJECT

PAGE = PROJECT / "docs" / "matching.md"
_PART = re.compile(r"(<!-- measured -->\n).*?(<!-- /measured -->)", re.DOTALL)
_HEADS = {RIGHT: "matched, right", WRONG: "matched, wrong", AMONG: "ambiguous, right one shown"}
_HEADS |= {NOT_AMONG: "ambiguous, right one not shown", NOT_FOUND: "not found"}


def text(measured: Measured) -> str:
    """For a terminal."""
    rows = [_cells(kind, measured) for kind in _kinds(measured)]
    heads = ["", "records", *COLUMNS, "recall"]
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in [heads, *rows]]
    return "\n".join([*lines, "", *summary(measured)])


def markdown(measured: Measured) -> str:
    """For the page."""
    heads = ["kind of record", "records", *(_HEADS[column] for column in COLUMNS), "recall"]
    rows = [heads, ["---", *["---:"] * (len(heads) - 1)], *(_cells(kind, measured) for kind in _kinds(measured))]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{table}\n\n" + "\n".join(f"- {line}" for line in summary(measured)) + "\n"


def summary(measured: Measured) -> Iterable[str]:
    """What it comes to."""
    yield f"{measured.asked:,} records against {measured.residents:,} residents, {measured.matched:,} matched"
    bound = f"at least {measured.precision_bound:.5%} with 95 % confidence"
    yield f"precision {measured.precision:.5%} ({measured.mistaken} wrong; {bound}), recall {measured.recall:.2%}"
    took = f"{measured.seconds:.0f} s, {measured.cpu_seconds:.0f} s of processor time"
    where = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    yield f"{took}, {measured.peak_bytes / 1e9:.2f} GB at most ({where})"


def write_docs(measured: Measured, page: Path = PAGE) -> None:
    """The table anew, between its markers.

    Raises:
        SystemExit: the page has no markers.
    """
    before = page.read_text(encoding="utf-8")
    if not _PART.search(before):
        raise SystemExit(f"{page}: has no place for the measured table")
    page.write_text(_PART.sub(lambda found: f"{found[1]}{markdown(measured)}{found[2]}", before), encoding="utf-8")


def _kinds(measured: Measured) -> list[str]:
    """In the order of the noise, what is of no person at the end."""
    return sorted(measured.became, key=lambda kind: (kind.startswith("stranger"), _ORDER.get(kind, len(_ORDER)), kind))


_ORDER = {kind: place for place, kind in enumerate(KINDS)}


def _cells(kind: str, measured: Measured) -> list[str]:
    became = measured.became[kind]
    recall = "" if kind.startswith("stranger") else f"{became[RIGHT] / became.total():.2%}"
    return [kind, f"{became.total():,}", *(f"{became[column]:,}" for column in COLUMNS), recall]
