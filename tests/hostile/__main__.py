"""``python -m tests.hostile``: a hundred thousand hostile messages, and a proper caller beside them.

The exit code is 1 if anything was not as it must be.

The generator is paced and niced, and the caller beside is measured alone before each round, so that on a small or busy
machine it is the daemon that is compared, and not the load that the generator makes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.hostile.messages import KINDS
from tests.hostile.trial import TIMES, Plan, Report, attempt
from tests.world import build_world


def main() -> int:
    """Run it, show it."""
    options = argparse.ArgumentParser(prog="python -m tests.hostile")
    options.add_argument("--messages", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--rate", type=float, default=250.0, help="messages a second")
    options.add_argument("--rounds", type=int, default=50)
    options.add_argument("--alone", type=float, default=2.0, help="seconds before each round")
    options.add_argument("--only", choices=("", *KINDS), default="", help="one kind of message")
    options.add_argument(
        "--ahead",
        action="store_true",
        help="the daemon, its engine and the caller run before all else on this machine, as on one of their own (root)",
    )
    given = options.parse_args()
    if given.rounds < 1 or given.messages < given.rounds or given.rate <= 0:
        options.error("--messages: at least one for each of --rounds, at a --rate above 0")
    if given.ahead and os.geteuid() != 0:
        options.error("--ahead: only root may run before all else")
    if given.ahead:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    plan = Plan(given.messages, given.seed, given.rate, given.rounds, given.alone, given.only)
    with tempfile.TemporaryDirectory() as folder:
        world = build_world(Path(folder) / "w", keys=("spin", "sspin.A", "sspin.B"))
        report = attempt(world, plan)
    if report.p99["beside"] > TIMES * report.p99["alone"]:
        report.findings.append(f"the caller's p99 is more than {TIMES:g} times as long beside them")
    show(report, Console(width=120))
    return 1 if report.findings else 0


def show(report: Report, console: Console) -> None:
    """The figures."""
    table = Table("kind", "messages", "what became of them")
    kinds = Counter[str]()
    for (kind, _), count in report.sent.outcomes.items():
        kinds[kind] += count
    for kind, count in kinds.most_common():
        ends = Counter({end: times for (of, end), times in report.sent.outcomes.items() if of == kind})
        table.add_row(kind, f"{count:,}", " · ".join(f"{end} {times:,}" for end, times in ends.most_common()))
    console.print(table)
    console.print(f"messages      {kinds.total():,} in {report.seconds:.0f} s")
    console.print(f"caller beside {report.asked:,} answers, all right")
    for phase in ("alone", "beside"):
        console.print(f"  {phase:<7} p50 {report.p50[phase] * 1e3:.2f} ms, p99 {report.p99[phase] * 1e3:.2f} ms")
    before, most, after = report.memory
    console.print(f"memory        {before:,} KB before, {most:,} at most, {after:,} after")
    console.print(f"open files    {report.files[0]} before, {report.files[1]} after")
    console.print(
        f"refusals      {report.refusals:,} recorded, {report.sent.recorded:,} of them read by who was refused"
    )
    for finding in report.findings:
        console.print(f"FINDING       {finding}", markup=False)
    console.print("passed" if not report.findings else "FAILED")


if __name__ == "__main__":
    sys.exit(main())
