"""``python -m tests.matching``: matching measured on an invented register; exit code 1 if it is not good enough.

A million people are made, with the truth about each, in a temporary folder. A sector's file about them, with every kind
of difference and with strangers, is matched against their register; what became of each is held against the truth.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from appliance.progress import bar
from tests.matching.measured import Measured, measure
from tests.matching.measuredtable import text, write_docs

LEAST_PRECISION = 0.9999
MOST_SECONDS, MOST_BYTES = 300, 4_000_000_000  # for a million
MILLION = 1_000_000


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.matching", description=__doc__)
    parser.add_argument("--people", type=int, default=MILLION, help="how many people live in the country (1,000,000)")
    parser.add_argument("--seed", type=int, default=7, help="the same seed makes the same people")
    parser.add_argument("--processes", type=int, help="how many read records (as many as there are cores)")
    parser.add_argument("--write-docs", action="store_true", help="write the table into docs/matching.md")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="matching-") as folder, bar("Matching", "residents") as show:
        measured = measure(Path(folder), asked.people, asked.seed, asked.processes, show)
    print(text(measured))
    if asked.write_docs:
        write_docs(measured)
    missed = faults(measured)
    print("\n".join(missed))
    return 1 if missed else 0


def faults(measured: Measured) -> list[str]:
    """Which of the limits were not kept."""
    limits = (
        (measured.precision < LEAST_PRECISION, f"precision is below {LEAST_PRECISION:.2%}"),
        (measured.seconds > MOST_SECONDS * max(measured.people / MILLION, 1), "it took too long"),
        (measured.peak_bytes > MOST_BYTES * max(measured.people / MILLION, 1), "it took too much memory"),
    )
    return [f"not good enough: {fault}" for broken, fault in limits if broken]


if __name__ == "__main__":
    raise SystemExit(main())
