"""The table of checks as docs/hsm-qualification.md has it, made from the table itself."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from appliance.qualify.checks import CHECKS, NOTHING_LEFT, THREADS
from appliance.qualify.table import GROUPS
from tests.world import PROJECT

PAGE = PROJECT / "docs" / "hsm-qualification.md"
BEGIN = "<!-- checks: written by python -m tests.qualify --write-docs -->\n"
END = "<!-- end of checks -->\n"


def table() -> str:
    """Every check, a line each, under its group."""
    return "\n".join(_lines()) + "\n"


def written() -> str:
    """What the page has between its marks."""
    return PAGE.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]


def write() -> None:
    """Put the table there."""
    text = PAGE.read_text("utf-8")
    assert BEGIN in text and END in text
    PAGE.write_text(text.partition(BEGIN)[0] + BEGIN + table() + END + text.partition(END)[2], "utf-8")


def _lines() -> Iterator[str]:
    for group, checks in groupby((*CHECKS, THREADS, NOTHING_LEFT), key=lambda check: check.group):
        yield f"\n**{GROUPS[group]}**\n"
        yield "| check | what is tried | need | for | without it |"
        yield "|---|---|---|---|---|"
        for check in checks:
            without = check.otherwise or (check.purpose.cost if check.need == "required" else "–")
            yield f"| `{check.id}` | {check.title} | {check.need} | {check.purpose.name} | {without} |"
