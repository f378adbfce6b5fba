"""``make bench``: every figure beside its limit and its peers, in one run; a table and ``bench.json``.

The machine may be shared and noisy, so nothing here is a verdict on absolute speed. What is compared is
measured in turns (limit, engine, peer, limit, engine, …) and the median of the ratios is what counts.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.bench.docs import write_docs
from tests.bench.effort import EFFORTS, Effort
from tests.bench.figures import SCHEMA, Figure, Measured
from tests.bench.machine import machine, versions
from tests.bench.run import NAMES, run
from tests.bench.table import table

WIDTH = 130  # at least; a table in a pipe would have 80


def main() -> None:
    """Measure, show, write."""
    options = _options()
    if options.docs_from is not None:
        write_docs(json.loads(options.docs_from.read_text(encoding="utf-8")))
        return
    effort = EFFORTS["quick" if options.quick else "full" if options.full else "usual"]
    begin = time.time()
    with tempfile.TemporaryDirectory(prefix="kagimori-bench-") as folder:
        measured = run(Path(folder) / "w", effort, tuple(options.only or NAMES), Console(stderr=True, highlight=False))
    document = _document(measured, effort, begin)
    options.output.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    console = Console(width=max(WIDTH, Console().width))
    console.print(table(measured.figures, measured.left_out))
    console.print(f"{_verdict(measured.figures)}; written to {options.output}")
    if options.write_docs:
        write_docs(document)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a few seconds: that it works, not how fast")
    size.add_argument("--full", action="store_true", help="with what takes long: 10^8 rows, 10^8 tags")
    parser.add_argument("--only", nargs="+", choices=NAMES, metavar="MEASURE", help=f"some of: {', '.join(NAMES)}")
    parser.add_argument("--output", type=Path, default=Path("bench.json"), help="where the figures go")
    parser.add_argument("--write-docs", action="store_true", help="tables and curves of docs/performance.md, too")
    parser.add_argument(
        "--docs-from", type=Path, metavar="FILE", help="measure nothing: write the docs from this bench.json"
    )
    return parser.parse_args()


def _document(measured: Measured, effort: Effort, begin: float) -> dict[str, Any]:
    """What `docs/performance.md` describes."""
    return {
        "schema": SCHEMA,
        "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begin)),
        "seconds": round(time.time() - begin),
        "effort": effort.name,
        "machine": machine(),
        "versions": versions(),
        "figures": [figure.document() for figure in measured.figures],
        "curves": [curve.document() for curve in measured.curves],
        "left_out": measured.left_out,
    }


def _verdict(figures: list[Figure]) -> str:
    goals = [figure for figure in figures if figure.goal is not None]
    missed = [figure.name for figure in goals if not figure.met]
    return f"{len(goals) - len(missed)} of {len(goals)} goals met" + (f" (not: {', '.join(missed)})" if missed else "")


if __name__ == "__main__":
    main()
