"""``python -m tests.fuzz --examples 20000``: every parser, then ledgers and the daemon; counts, and what was found.

``--seed`` makes a run what it was before, but for the keys and signatures, which are new in every process.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]  # the kits of tests, which import each other by their names

from tests.fuzz import apiworld, ledgermachine  # noqa: E402
from tests.fuzz.everything import TARGETS  # noqa: E402
from tests.fuzz.target import Ran, run  # noqa: E402


def main() -> int:
    """Run what was asked for; 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=2_000, help="inputs for each parser")
    parser.add_argument("--ledgers", type=int, default=0, help="random ledgers, up to 30 ceremonies each")
    parser.add_argument("--requests", type=int, default=0, help="random requests of each operation, beside the others")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", default="", help="targets whose name has this in it")
    given = parser.parse_args()
    if not any(given.only in target.name for target in TARGETS):
        parser.error(f"--only {given.only}: no target has that in its name")
    if given.examples + given.ledgers + given.requests <= 0:
        parser.error("nothing to do: ask for --examples, --ledgers or --requests")
    print(f"seed {given.seed}", flush=True)
    found = _parsers(given.examples, given.seed, given.only)
    found += _ledgers(given.ledgers, given.seed) if given.ledgers else 0
    found += _daemon(given.requests, given.seed) if given.requests else 0
    print(f"{found} findings")
    return 1 if found else 0


def _parsers(examples: int, seed: int, only: str) -> int:
    found = 0
    for target in TARGETS if examples else ():
        if only in target.name:
            found += _told(target.name, run(target, examples, seed))
    return found


def _told(name: str, ran: Ran) -> int:
    counts = f"{ran.examples:8,} inputs {ran.accepted:8,} accepted"
    print(f"{name:32} {counts} {ran.seconds:7.0f} s  slowest {ran.slowest * 1000:6.1f} ms", flush=True)
    if ran.finding:
        print(f"  FOUND {ran.finding}", flush=True)
    return bool(ran.finding)


def _ledgers(ledgers: int, seed: int) -> int:
    ran = ledgermachine.run(ledgers, seed)
    print(f"{'ledgers':32} {ran.ledgers:8,} ledgers {ran.steps:8,} steps {ran.seconds:7.0f} s", flush=True)
    print("  " + ", ".join(f"{name} {count:,}" for name, count in sorted(ran.kinds.items())))
    if ran.finding:
        print(f"  FOUND {ran.finding}", flush=True)
    return bool(ran.finding)


def _daemon(examples: int, seed: int) -> int:
    found = 0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, apiworld.served(Path(folder) / "world") as asked:
        for what in apiworld.ASKED:
            outcome = asked.ask(what, examples=examples, seed=seed)
            by_status = ", ".join(
                f"{name} {status}: {count:,}" for (name, status), count in sorted(outcome.answers.items())
            )
            print(
                f"{what:32} {outcome.requests:8,} requests {sum(outcome.checks.values()):8,} checks\n  {by_status}",
                flush=True,
            )
            if told := outcome.told():
                print(f"  FOUND {told}", flush=True)
                found += 1
        for line in asked.defects():
            print(f"  FOUND in the daemon's log: {line}")
            found += 1
    return found


if __name__ == "__main__":
    sys.exit(main())
