"""The fault table by its parts, and its print; `tests.faults.faultcells` has the cells.

Every cell is a test (test_faults_table_*.py), and the tests print the table with what they saw. To print it without
running anything: ``python -m tests.faults.faulttable``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tests.faults.faultcells import every_cell
from tests.faults.faultwords import MEANING, Cell

PARTS: dict[str, tuple[Cell, ...]] = {}
for _cell in every_cell():
    PARTS[_cell.part] = (*PARTS.get(_cell.part, ()), _cell)


NOTED = "fault_cell"
"""The property of a test's report that names its cell."""


def results_of(reports: Iterable[Any]) -> dict[str, str]:
    """What pytest's reports say of the cells that were run, in whichever process: ``passed`` or ``failed``."""
    found: dict[str, str] = {}
    for report in reports:
        for name, cell in getattr(report, "user_properties", ()):
            if name == NOTED and found.get(cell) != "failed":
                found[cell] = report.outcome
    return found


def render(results: Mapping[str, str] | None = None) -> Iterator[str]:
    """The lines of the table; ``results``: what pytest said (``passed``, ``failed``) of the cells that were run."""
    cells = [cell for part in PARTS.values() for cell in part]
    yield f"fault x operation -> expected: {len(cells)} cells" + _counted(cells, results)
    for part in PARTS.values():
        yield ""
        yield from _matrix(part, results)
    yield ""
    yield from (f"  {word:<26} {meaning}" for word, meaning in MEANING.items())


def _counted(cells: Sequence[Cell], results: Mapping[str, str] | None) -> str:
    if results is None:
        return ""
    passed = sum(results.get(cell.name) == "passed" for cell in cells)
    run = sum(cell.name in results for cell in cells)
    return f", {run} run, {passed} as expected (+), {run - passed} not (!)"


def _matrix(part: Sequence[Cell], results: Mapping[str, str] | None) -> Iterator[str]:
    columns = list(dict.fromkeys(cell.operation for cell in part))
    rows = list(dict.fromkeys(cell.fault for cell in part))
    of = {(cell.fault, cell.operation): _shown(cell, results) for cell in part}
    first = max(len(row) for row in rows)
    wide = [max(len(column), *(len(of.get((row, column), "")) for row in rows)) for column in columns]
    yield "  ".join(
        [part[0].part.upper().ljust(first), *(c.ljust(w) for c, w in zip(columns, wide, strict=True))]
    ).rstrip()
    for row in rows:
        shown = (of.get((row, column), "").ljust(width) for column, width in zip(columns, wide, strict=True))
        yield "  ".join([row.ljust(first), *shown]).rstrip()


def _shown(cell: Cell, results: Mapping[str, str] | None) -> str:
    if results is None:
        return cell.expected
    mark = {"passed": "+", None: "?"}.get(results.get(cell.name), "!")
    return f"{mark} {cell.expected}"


if __name__ == "__main__":
    print("\n".join(render()))
