"""The report as text, and as plain data."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from appliance.commandline import visible
from appliance.qualify.runner import Report
from appliance.qualify.table import GROUPS
from appliance.qualify.verdict import Row, by_reason, headline
from appliance.token.trials.findings import Result

WIDTH = 110
_MARKS = {Result.PASSED: "ok", Result.MISSING: "MISSING", Result.DIFFERS: "DIFFERS", Result.NOT_TRIED: "NOT TRIED"}
FACTS = (
    ("token", "label"),
    ("serial number", "serial"),
    ("manufacturer", "manufacturer"),
    ("model", "model"),
    ("firmware", "firmware"),
    ("module", "module"),
    ("library", "library"),
    ("PKCS#11", "cryptoki"),
)


def render(report: Report) -> str:
    """The whole report, ending without a newline."""
    return "\n".join((*_head(report), *_verdict(report), *_table(report))).rstrip()


def as_data(report: Report) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "type": "kagimori/qualification/v1",
        "token": report.token,
        "made": f"{report.made:%Y-%m-%dT%H:%M:%SZ}",
        "quick": report.quick,
        "verdict": str(report.verdict.fitness),
        "lacks": [
            {"lack": lack.purpose.lack, "cost": lack.purpose.cost, "checks": [row.check.id for row in lack.rows]}
            for lack in report.verdict.lacks
        ],
        "checks": [_row_data(row) for row in report.rows],
    }


def _row_data(row: Row) -> dict[str, Any]:
    check, found = row.check, row.finding
    told = {"id": check.id, "title": check.title, "need": str(check.need), "purpose": check.purpose.name}
    return {**told, "result": str(found.result), "evidence": found.evidence, "figures": found.figures}


def _head(report: Report) -> Iterator[str]:
    yield "QUALIFICATION OF A PKCS#11 TOKEN"
    yield ""
    for name, key in FACTS:
        yield f"  {name:<14} {visible(report.token[key])}"
    yield f"  {'tried':<14} {report.made:%Y-%m-%d %H:%M} UTC{', quickly' if report.quick else ''}"
    yield ""


def _verdict(report: Report) -> Iterator[str]:
    verdict = report.verdict
    yield from _wrapped("VERDICT  ", headline(verdict))
    if verdict.lacks or verdict.untried:
        yield ""
    for lack in verdict.lacks:
        yield from _wrapped("  - ", f"{lack.purpose.lack}: {lack.purpose.cost}.")
        yield from _wrapped("    ", f"seen by: {', '.join(row.check.id for row in lack.rows)}")
    for reason, ids in by_reason(verdict.untried).items():
        yield from _wrapped("  ? ", f"not tried, {reason}: {', '.join(ids)}")
    yield from _notes("Not as recommended, and what that costs:", verdict.concessions)
    yield from _notes("Worked around, and how:", verdict.around)


def _notes(title: str, rows: tuple[Row, ...]) -> Iterator[str]:
    if rows:
        yield ""
        yield title
        for row in rows:
            yield from _wrapped("  - ", f"{row.check.id} ({row.check.title}): {row.check.otherwise}.")


def _table(report: Report) -> Iterator[str]:
    for group, rows in groupby(report.rows, key=lambda row: row.check.group):
        yield ""
        yield GROUPS[group].upper()
        for row in rows:
            mark = _MARKS[row.finding.result]
            yield from _wrapped(f"  {mark:<10}", f"{row.check.id} ({row.check.need}): {row.check.title}")
            yield from _wrapped(" " * 12, row.finding.evidence)


def _wrapped(first: str, words: str) -> list[str]:
    """Lines of words; what a token says of itself may turn no other text round."""
    rest = " " * len(first)
    shown = visible(words)
    return textwrap.wrap(shown, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
