"""``keyceremony execute``: carrying out an approved plan on the appliance's token."""

from __future__ import annotations

import getpass
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import FrameType

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from appliance.ledger.actions import Action, Found, action_name
from appliance.ledger.fold import LedgerState
from appliance.ledger.text import require_line
from appliance.token.token import Token
from keyceremony import execute as executing
from keyceremony import papers, screen, secrets, staging, workspace
from keyceremony.commands.options import PATH, Where, with_where
from keyceremony.errors import UsageProblem
from keyceremony.prepare import Prepared, prepare


@click.command("execute")
@click.argument("plan", type=PATH)
@click.argument("approvals", type=PATH, nargs=-1, metavar="[APPROVAL]...")
@with_where("config", "ledger", "anchor", "module", "token", "pin_file")
@click.option("--ask-pin", is_flag=True, help="Ask for the PIN even if the configuration names a file with it.")
@click.option("--operator", metavar="NAME", help="Who carries the plan out; default: your login name.")
def command(plan: Path, approvals: tuple[Path, ...], where: Where, ask_pin: bool, operator: str | None) -> None:
    """Carry out PLAN, approved by a quorum: all of it, or nothing.

    Approvals are taken from beside the plan unless named. Everything is verified before the PIN is asked for
    (once) and the token touched. Keys are made, read back and tried; the outcome is signed by the token; the whole
    new ledger is verified; then its two files are written. If anything fails before that, the keys made are
    destroyed again.
    """
    folder, pinned = where.ledger, where.anchor
    paper = papers.load_plan(plan)
    if not folder.parent.is_dir():
        raise UsageProblem(f"{folder.parent}: no such folder", "check --ledger")
    with workspace.locked(folder), _stopped_by_sigterm():
        state = staging.complete(folder, pinned, paper.data, paper.plan.sequence)
        if state is not None:
            screen.line(
                screen.console(), "An execute of this plan had been cut off after its work; the ledger is now complete."
            )
        else:
            given = list(approvals) or workspace.approval_paths(plan, paper.plan.sequence)
            prepared = prepare(folder, pinned, paper, given, now=datetime.now(UTC))
            state = _on_token(where, prepared, ask_pin=ask_pin, operator=operator)
        _report(state)
        if workspace.is_pending(plan, folder):
            workspace.put_away(plan, paper.plan.sequence, workspace.CARRIED_OUT)


def _on_token(where: Where, prepared: Prepared, *, ask_pin: bool, operator: str | None) -> LedgerState:
    _check_label(where, prepared)
    operator = operator or _login_name()
    require_line("--operator", operator)
    pin = secrets.pin_for(prepared.token_label, None if ask_pin else where.pin_file)
    with (
        Token.open(
            where.module, label=prepared.token_label, serial=prepared.token_serial, pin=pin, writable=True
        ) as opened,
        _progress(len(prepared.paper.plan.actions)) as progress,
    ):
        run = executing.Run(operator, _tool(), progress)
        return executing.execute(prepared, opened, run)


def _check_label(where: Where, prepared: Prepared) -> None:
    named = where.token_if_given
    if named is not None and named != prepared.token_label:
        raise UsageProblem(
            f"token {named}: the plan is for token {prepared.token_label}, serial {prepared.token_serial}",
            "correct --token, or [token] label in the configuration",
        )


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        return f"uid {os.getuid()}"


def _tool() -> str:
    try:
        return f"keyceremony {metadata.version('kagimori')}"
    except metadata.PackageNotFoundError:
        return "keyceremony (not installed)"


class _Bar:
    """Tells each action as it begins: as a bar on a terminal, as lines otherwise."""

    def __init__(self, bar: Progress, total: int) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=total)

    def __call__(self, number: int, action: Action) -> None:
        what = "found the ledger" if isinstance(action, Found) else f"{action_name(action)} {action.generation}"
        self._bar.update(self._task, completed=number - 1, description=what, refresh=True)
        if not self._bar.console.is_terminal:
            screen.line(self._bar.console, f"{number}. {what}")

    def finish(self) -> None:
        self._bar.update(self._task, completed=self._bar.tasks[0].total, description="verified", refresh=True)


@contextmanager
def _progress(total: int) -> Iterator[_Bar]:
    console = screen.console()
    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()
    # no thread of its own that refreshes the bar: signals must find this thread alone (creations.undisturbed)
    with Progress(*columns, console=console, auto_refresh=False, disable=not console.is_terminal) as bar:
        told = _Bar(bar, total)
        yield told
        told.finish()


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the run as Ctrl-C does, so that what was made is destroyed again."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _report(state: LedgerState) -> None:
    out = screen.console()
    screen.line(out, f"Done: the ledger is now at entry {state.sequence}.")
    screen.line(out, f"   head     {state.head}")
