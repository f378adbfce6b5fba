"""``python softhsm-config/demo``: the whole scheme on SoftHSM2, from key ceremony to what a citizen sees of it.

``… demo serve`` keeps the demo's daemon running in the foreground, ``… demo portal`` the citizens' portal and
oversight's desk as well. Everything is in one folder, made anew by each run; nothing else is touched.
"""

from __future__ import annotations

import signal
import sys
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import NoReturn

import ceremony
import click
import daemon
import figures
import people
import report
import servers
from layout import APPLIANCE, PROJECT, Layout, Tools, tools
from rich.console import Console
from running import Runner
from scheme import Scheme
from steps import Steps
from summary import Summary

from appliance.errors import KagimoriError
from appliance.hubkit import register

QUICK_RESIDENTS, QUICK_EXCHANGES = 500, 50


@click.command()
@click.argument("what", type=click.Choice(["demo", "serve", "portal"]), default="demo")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), default=PROJECT / "var" / "demo")
@click.option("--residents", type=click.IntRange(300, 1_000_000), default=5_000, show_default=True)
@click.option("--exchanges", type=click.IntRange(1, 100_000), default=400, show_default=True)
@click.option("--quick", is_flag=True, help=f"{QUICK_RESIDENTS} residents and {QUICK_EXCHANGES} exchanges.")
def main(what: str, folder: Path, residents: int, exchanges: int, quick: bool) -> None:
    """Run the demo, or keep its daemon running (serve), with portal and desk (portal); a demo comes first."""
    signal.signal(signal.SIGTERM, _terminated)
    if quick:
        residents, exchanges = QUICK_RESIDENTS, QUICK_EXCHANGES
    console = Console(width=None if sys.stdout.isatty() else 160)
    layout = Layout(folder.absolute())
    try:
        found = tools()
        with layout.locked():
            if what == "demo" or not layout.summary.exists():
                run(console, layout, found, residents, exchanges)
            if what == "portal":
                sys.exit(portal(console, layout, found))
            report.explore(console, layout, found, serving=what == "serve")
            if what == "serve":
                sys.exit(serve(console, layout))
    except KagimoriError as error:
        fail(layout, str(error), error.exit_code)
    except OSError as error:
        fail(layout, f"{error.filename or 'writing or reading'}: {error.strerror}", 1)
    except KeyboardInterrupt:
        fail(layout, "stopped", 1)
    except Exception as error:
        with layout.log.open("a", encoding="utf-8") as log:
            traceback.print_exc(file=log)
        fail(layout, f"a defect in the demo: {type(error).__name__}", 70)


def fail(layout: Layout, message: str, code: int) -> NoReturn:
    """End with the message, and where more is said."""
    logs = [str(path) for path in (layout.log, layout.daemon_log) if path.exists() and str(path) not in message]
    more = [f"  → logs: {', '.join(logs)}"] if logs else []
    print("\n".join([f"demo: {message}", *more]), file=sys.stderr)
    sys.exit(code)


def run(console: Console, layout: Layout, found: Tools, residents: int, exchanges: int) -> None:
    """From nothing to the summary; the daemon is stopped at the end."""
    begin = time.perf_counter()
    if daemon.stop_left_over(layout):
        console.print("A daemon that an earlier run had left behind was stopped.")
    layout.empty()
    layout.make()
    steps, runner = Steps(console), Runner(layout)
    ceremony.hold(layout, found, runner, steps)
    with steps.step("An invented country") as step:
        country = people.invent(residents)
        register.write(layout.register, country.residents)
        step.result = f"{residents:,} residents in the register"
    summary = Summary(residents)
    process = daemon.start(layout)
    with daemon.stopping(layout, process):
        with steps.step("Daemon up: ledger verified, every key checked") as step:
            daemon.wait_ready(layout, process)
            step.result = f"ready, pid {process.pid}"
        Scheme(layout, found, country, runner, steps, summary, process.pid).run(exchanges)
    report.table(console, steps.done)
    figures.tick(console, summary)
    summary.seconds = {step.title: round(step.seconds, 3) for step in steps.done}
    summary.seconds["together"] = round(time.perf_counter() - begin, 3)
    summary.write(layout)


def serve(console: Console, layout: Layout) -> int:
    """The daemon in the foreground until Ctrl-C or SIGTERM; its exit code."""
    daemon.stop_left_over(layout)
    layout.write_softhsm_conf(APPLIANCE)
    process = daemon.start(layout, foreground=True)
    console.print("Serving until Ctrl-C; the daemon's own log follows.")
    try:
        return process.wait()
    except KeyboardInterrupt:  # Ctrl-C reaches the daemon by itself; `stop` covers SIGTERM
        return 0
    finally:
        daemon.stop(layout, process)


def portal(console: Console, layout: Layout, found: Tools) -> int:
    """Daemon, portal and desk until Ctrl-C or SIGTERM; the exit code."""
    daemon.stop_left_over(layout)
    layout.write_softhsm_conf(APPLIANCE)
    process = daemon.start(layout)
    try:
        daemon.wait_ready(layout, process)
        origins = servers.configure(layout, found)
        with servers.running(layout, "portal", "desk"):
            report.visit(console, layout, found, origins)
            return process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        daemon.stop(layout, process)


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
