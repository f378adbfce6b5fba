"""``python -m tests.soak``: so many seconds of load and faults; a table, and exit code 1 if anything was not right."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.soak import report
from tests.soak.faults import FAULTS
from tests.soak.run import BACK_SECONDS, Terms, run


def main() -> int:
    """Soak, show, write."""
    options = _options()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    terms = Terms(options.seconds, options.clients, seed, tuple(options.faults), options.back)
    console = Console(stderr=True, highlight=False)
    with tempfile.TemporaryDirectory(prefix="kagimori-soak-", dir=options.folder) as folder:
        result = run(Path(folder) / "w", terms, console.print)
    shown = Console(width=max(120, Console().width))
    shown.print(report.table(result))
    for name, value in report.facts(result).items():
        shown.print(f"{name}: {value}")
    for failure in result.failures:
        shown.print(f"FAILED: {failure}", markup=False)
    if options.write_docs:
        report.write_docs(result)
    shown.print("the soak has failed" if result.failures else "the soak has passed")
    return 1 if result.failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long things break (default: 600)")
    parser.add_argument("--clients", type=int, default=64, help="besides the bulk stream (default: 64)")
    parser.add_argument("--seed", type=int, help="decides which faults come when (default: another one each time)")
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS), metavar="FAULT", help="only these")
    back = f"seconds within which everybody must be served again (default: {BACK_SECONDS:g})"
    parser.add_argument("--back", type=float, default=BACK_SECONDS, help=back)
    parser.add_argument("--folder", type=Path, help="where the world is made (default: the system's)")
    parser.add_argument("--write-docs", action="store_true", help="the figures of docs/reliability.md, too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
