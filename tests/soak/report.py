"""What a soak found, as a table for people and as the figures of docs/reliability.md."""

from __future__ import annotations

import os
import re
import statistics
from collections.abc import Iterator
from datetime import UTC, datetime

from rich.table import Table

from tests.bench.machine import machine
from tests.soak.run import Met, Result
from tests.soak.watch import JUDGED_SECONDS
from tests.world import PROJECT

PAGE = PROJECT / "docs" / "reliability.md"
_PART = re.compile(r"(<!-- soak: (\w+) -->\n).*?(<!-- /soak -->)", re.DOTALL)
HEAD = ("fault", "times", "lasted, median", "all served again after, median", "at most")


def by_fault(result: Result) -> Iterator[tuple[str, ...]]:
    """A row for each kind of fault, in the order in which they were met first."""
    names = dict.fromkeys(met.name for met in result.met)
    for name in names:
        yield _row(name, [met for met in result.met if met.name == name])


def _row(name: str, met: list[Met]) -> tuple[str, ...]:
    lasted, back = [one.lasted for one in met], [one.back for one in met]
    return (
        name,
        str(len(met)),
        f"{statistics.median(lasted):.1f} s",
        f"{statistics.median(back):.2f} s",
        f"{max(back):.2f} s",
    )


def facts(result: Result) -> dict[str, str]:
    """What was done and seen, by name."""
    notebook, terms = result.notebook, result.terms
    refused = sum(notebook.refused.values())
    codes = ", ".join(f"{code} {count:,}" for code, count in sorted(notebook.refused.items())) or "none"
    return {
        "seconds, clients, seed": f"{terms.seconds:g}, {terms.clients} and a bulk stream, {terms.seed}",
        "faults": f"{len(result.met)} of {len({met.name for met in result.met})} kinds",
        "the disk was full by": result.disk,
        "answers to requests": f"{len(notebook.answered):,}",
        "histories, each proven": f"{notebook.histories:,}",
        "streams (come to their end)": f"{len(notebook.streamed):,} ({_whole(result):,})",
        "numbers, each held against the truth": f"{notebook.numbers:,}",
        "wrong": f"{len(notebook.wrong):,}",
        "refusals": f"{refused:,}: {codes}",
        "records in the log": f"{result.records:,}",
        "longest until all were served again": f"{_longest(result):.2f} s, of {terms.back:g} s that were given",
        "load average of the machine, of its last 15 minutes": f"{os.getloadavg()[2]:.1f}",
        "MiB of the daemon by tenths of the time; from the second quarter to the last": _memory(result, "daemon"),
        "MiB of an engine, likewise": _memory(result, "engines"),
    }


def _longest(result: Result) -> float:
    return max((met.back for met in result.met), default=0.0)


def _whole(result: Result) -> int:
    return sum(one.broken is None for one in result.notebook.streamed)


def _memory(result: Result, name: str) -> str:
    tenths = " ".join(f"{kilobytes / 1024:.0f}" for kilobytes in result.kilobytes.get(name, []))
    judged = "" if result.terms.seconds >= JUDGED_SECONDS else ", not judged in so short a time"
    return f"{tenths}; {result.growths.get(name, 0.0):+.1f} MiB{judged}"


def table(result: Result) -> Table:
    """For the screen."""
    shown = Table(*HEAD, title="soak")
    for row in by_fault(result):
        shown.add_row(*row)
    return shown


def write_docs(result: Result) -> None:
    """The figures between their markers."""
    parts = {
        "faults": _markdown(HEAD, list(by_fault(result))),
        "figures": _markdown(("figure", "value"), [(name, value) for name, value in facts(result).items()]),
        "machine": f"{datetime.now(UTC):%Y-%m-%d}. " + ", ".join(machine().values()) + " (shared)\n",
    }
    text = PAGE.read_text("utf-8")
    PAGE.write_text(_PART.sub(lambda found: f"{found[1]}{parts[found[2]]}{found[3]}", text), "utf-8")


def _markdown(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
