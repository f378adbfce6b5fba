"""``keyceremony execute``, ``resume`` and ``abort``: carrying out an approved plan, and what follows a break."""

from __future__ import annotations

import getpass
import os
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from appliance.commandline import stopped_by_sigterm
from appliance.ledger.state import LedgerState
from appliance.ledger.text import require_line
from keyceremony import screen, workspace
from keyceremony.act import execute as executing
from keyceremony.act import recover, undo
from keyceremony.act.desk import Desk
from keyceremony.act.execute import Run
from keyceremony.act.prepare import Prepared, prepare
from keyceremony.commands.options import PATH, Where, with_where
from keyceremony.commands.pinsource import pin_source, taking_pins
from keyceremony.commands.progress import progress
from keyceremony.errors import ExecutionFailed, UsageProblem
from keyceremony.table import papers

_where = with_where("config", "ledger", "anchor", "module", "token", "pin_file")


@click.command("execute")
@click.argument("plan", type=PATH)
@click.argument("approvals", type=PATH, nargs=-1, metavar="[APPROVAL]...")
@_where
@taking_pins
@click.option("--operator", metavar="NAME", help="Who carries the plan out; default: your login name.")
def command(plan: Path, approvals: tuple[Path, ...], where: Where, operator: str | None, **given: Any) -> None:
    """Carry out PLAN, approved by a quorum: all of it, or nothing.

    Approvals are taken from beside the plan unless named. Everything is verified before a PIN is asked for (each
    once) and a token touched. Every step is written to a journal before it is taken. Keys are made under a staging
    label, copied to the backup tokens the plan names, sealed, read back and tried; the outcome is signed by the token;
    the whole new ledger is verified; then its two files are written. If anything fails before that, what was made is
    removed again, and a signed record of the attempt is left. If the machine dies: keyceremony resume, or abort.
    """
    folder, pinned = where.ledger, where.anchor
    paper = papers.load_plan(plan)
    if not folder.parent.is_dir():
        raise UsageProblem(f"{folder.parent}: no such folder", "check --ledger")
    with workspace.locked(folder), stopped_by_sigterm():
        recover.require_none(folder)
        chosen = list(approvals) or workspace.approval_paths(plan, paper.plan.sequence)
        prepared = prepare(folder, pinned, paper, chosen, now=datetime.now(UTC))
        with _desk(where, prepared, **given) as desk, progress(prepared.paper.plan) as (step, told):
            run = Run(_operator(operator), _tool(), step, told)
            state = executing.execute(prepared, desk, run)
        _report(state)


@click.command("resume")
@_where
@taking_pins
def resume_command(where: Where, **given: Any) -> None:
    """Go on with an execute that was cut off: the machine died, the token was pulled out, the disk was full.

    Journal and tokens are compared. What was done is not done again; what was half done is done anew. If they do not
    agree, what was made is removed again and a signed record is left, as by keyceremony abort. Once the outcome is
    signed, no token is needed: the ledger is completed.
    """
    folder, pinned = where.ledger, where.anchor
    with workspace.locked(folder), stopped_by_sigterm():
        broken = recover.find(folder, pinned)
        if broken.prepared is None:
            _finish(folder, pinned, broken)
            return
        prepared, begin = broken.prepared, broken.journal.begin
        screen.line(screen.console(), f"Going on with plan {begin.sequence}, begun {begin.started} by {begin.operator}")
        with _desk(where, prepared, **given) as desk, progress(prepared.paper.plan) as (step, told):
            state = recover.resume(broken, prepared, desk, Run(begin.operator, begin.tool, step, told))
        _report(state)


@click.command("abort")
@click.option("--reason", required=True, metavar="TEXT", help="Why, in a line; it is kept in the signed record.")
@_where
@taking_pins
def abort_command(reason: str, where: Where, **given: Any) -> None:
    """Undo an execute that was cut off: what it made is removed from the tokens, and a signed record is left.

    The plan stays where it is: it can be executed again, or withdrawn. Once keys have been destroyed, or the outcome is
    signed, nothing can be undone any more; keyceremony resume completes such a run.
    """
    require_line("--reason", reason, longest=1000)
    folder, pinned = where.ledger, where.anchor
    with workspace.locked(folder), stopped_by_sigterm():
        broken = recover.find(folder, pinned)
        if broken.journal.has("undone"):
            _finish(folder, pinned, broken)
            return
        prepared = recover.require_undoable(broken)
        with _desk(where, prepared, **given) as desk:
            fate = recover.abort(broken, prepared, desk, reason)
        text, hint = undo.in_words(fate)
        if fate.recorded is None:
            raise ExecutionFailed(f"not undone to its end; {text}", hint)
        screen.line(screen.console(), f"Aborted: {text}.")


def _finish(folder: Path, pinned: str, broken: recover.Broken) -> None:
    state = recover.finish(folder, pinned, broken.journal)
    if state is None:
        screen.line(screen.console(), "The run had been undone, and recorded, already; nothing was left to do.")
        return
    screen.line(screen.console(), "The plan had been carried out; the ledger is now complete.")
    _report(state)


def _desk(where: Where, prepared: Prepared, *, ask_pin: bool, pins: tuple[str, ...], so_pins: tuple[str, ...]) -> Desk:
    acting = prepared.needs.acting
    named = where.token_if_given
    if named is not None and named != acting.label and where.token_given is not None:
        raise UsageProblem(
            f"token {named}: the plan is for token {acting.label}, serial {acting.serial}", "correct --token"
        )
    source = pin_source(where, named or acting.label, pins, so_pins, ask_pin)
    source.gather(prepared.needs)
    return Desk(where.module, source, prepared.needs.names)


def _operator(given: str | None) -> str:
    operator = given or _login_name()
    require_line("--operator", operator)
    return operator


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


def _report(state: LedgerState) -> None:
    out = screen.console()
    screen.line(out, f"Done: the ledger is now at entry {state.sequence}.")
    screen.line(out, f"   head     {state.head}")
