"""``python -m tests.bench.steps``: what one small request costs the daemon's event loop, in steps of the interpreter.

One client, one number a request; ``--functions N`` shows the N that take most.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.effort import EFFORTS
from tests.bench.setting import Setting
from tests.bench.steps.requests import count
from tests.bench.subject import subject
from tests.world import build_world


def main() -> None:
    """Show the parts."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.steps", description=__doc__)
    parser.add_argument("--functions", type=int, default=0, metavar="N", help="show the N functions that take most")
    wanted = parser.parse_args().functions
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="kagimori-steps-") as folder, console.status("counting"):
        world = build_world(Path(folder) / "world")
        os.environ["SOFTHSM2_CONF"] = world.env["SOFTHSM2_CONF"]
        with subject(world) as ours:
            found = count(Setting(world, ours, EFFORTS["quick"], lambda: None))
    table = Table("steps of the event loop for one request", "steps", title=f"{found.total:,.0f} steps")
    for part, steps in found.parts:
        table.add_row(part, f"{steps:,.0f}")
    for (file, function), steps in found.functions[:wanted]:
        table.add_row(f"{Path(file).name}: {function}", f"{steps:,.0f}")
    console.print(table)


if __name__ == "__main__":
    main()
