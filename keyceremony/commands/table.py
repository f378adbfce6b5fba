"""``keyceremony collect``, ``note``, ``renew`` and ``withdraw``: the papers on the table while a plan waits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from appliance.errors import KagimoriError
from appliance.ledger import chain
from keyceremony import screen, workspace
from keyceremony.commands.drafts import create, example, tell
from keyceremony.commands.options import PATH, Where, with_where
from keyceremony.errors import CollectionIncomplete, RenewalRefused, UsageProblem
from keyceremony.plans import renewal
from keyceremony.showing import show_actions
from keyceremony.table import collect as collecting
from keyceremony.table import notes, papers, refusals, staging
from keyceremony.table.papers import Paper

_where = with_where("config", "ledger", "anchor")


@click.command(
    "collect", epilog=example("keyceremony collect ledger/pending/000007.plan.json /media/stick/000007.*.cms")
)
@click.argument("plan", type=PATH)
@click.argument("files", type=PATH, nargs=-1, required=True, metavar="FILE...")
@_where
def collect_command(plan: Path, files: Sequence[Path], where: Where) -> None:
    """Take approvals and refusals that were signed elsewhere, and put each in its place beside PLAN.

    In any order and under any name. Each is verified first; one that is of another plan, of a stranger or here already
    is named and left, and the others are taken all the same.
    """
    paper = papers.load_plan(plan)
    state = papers.present_state(paper, where.ledger_if_given, where.anchor_if_given)
    console, refused = screen.console(), 0
    for file in files:
        try:
            done = collecting.collect(paper, state, file)
            screen.line(console, f"Collected: {done.kind} of {done.person}: {done.path}")
        except KagimoriError as error:
            refused += 1
            screen.line(console, f"NOT collected: {error.message}")
    if refused:
        raise CollectionIncomplete(
            f"{refused} of {len(files)} files were not collected; the reasons are above",
            "the others are in place; keyceremony status tells who is missing",
        )


@click.command("note", epilog=example("keyceremony note ledger/pending/000007.plan.json 'Fire drill, 20 minutes'", ""))
@click.argument("plan", type=PATH)
@click.argument("text")
def note_command(plan: Path, text: str) -> None:
    """Write down, with the time, what went otherwise than the script of PLAN says; it goes into the signed outcome."""
    paper = papers.load_plan(plan)
    note = notes.add(plan, paper.plan.sequence, text, now=datetime.now(UTC))
    screen.line(screen.console(), f"Noted at {note.at}: {notes.path_for(plan, paper.plan.sequence)}")


@click.command("withdraw", epilog=example("keyceremony withdraw ledger/pending/000007.plan.json"))
@click.argument("plan", type=PATH)
@_where
def withdraw_command(plan: Path, where: Where) -> None:
    """Put PLAN and its approvals away (into a folder 'withdrawn' beside it), so that another can be drafted.

    Refusals of it are kept in the ledger; for that, --ledger and --anchor (or --config) are needed.
    """
    paper = papers.load_plan(plan)
    folder = _put_away(paper, where)
    screen.line(screen.console(), f"Withdrawn: plan {paper.plan.sequence} is now in {folder}")


def _put_away(paper: Paper, where: Where) -> Path:
    sequence = paper.plan.sequence
    staging.check_none_waits(paper.path, sequence)
    if workspace.refusal_paths(paper.path, sequence):
        _keep_refusals(paper, where)
    return workspace.put_away(paper.path, sequence, workspace.WITHDRAWN)


def _keep_refusals(paper: Paper, where: Where) -> None:
    """Into the ledger, if the plan is its next; those of a plan that was overtaken stay with its papers.

    A genesis has no ledger yet, and the next one might have other people; so they stay with the papers as well.
    """
    if paper.plan.sequence == 1:
        return
    if where.ledger_if_given is None or where.anchor_if_given is None:
        raise UsageProblem(
            f"{paper.path}: somebody refused it, and that is kept in the ledger",
            "give --ledger and --anchor, or --config",
        )
    ledger = where.ledger
    with workspace.locked(ledger):
        _, state = papers.load_ledger(ledger, where.anchor)
        if state is not None and paper.plan.sequence == state.sequence + 1:
            refusals.into_ledger(ledger, paper, state, state.roster)


@click.command("renew", epilog=example("keyceremony renew ledger/pending/000007.plan.json"))
@click.argument("plan", type=PATH)
@_where
def renew_command(plan: Path, where: Where) -> None:
    """Draft PLAN anew: the same actions on the ledger's present head. The old plan is put away.

    For a plan that was overtaken by another, or has expired. It must be approved again by everybody. A change of
    roster or policy is not renewed when the roster or policy has been changed since.
    """
    paper = papers.load_plan(plan)
    held, state = papers.load_ledger(where.ledger, where.anchor)
    if state is None:
        raise RenewalRefused(
            f"{plan}: the ledger is empty", "draft the genesis again: keyceremony plan genesis SETUP.toml"
        )
    drafted = renewal.renewed(paper, chain.verify_entries(held, where.anchor), now=datetime.now(UTC))
    place = workspace.plan_path(where.ledger, drafted.sequence)
    if place.resolve() != plan.resolve():
        workspace.check_absent(place, f"another plan waits there: keyceremony withdraw {place} puts it away")
    folder = _put_away(paper, where)
    renewed = create(where, drafted, None)
    console = screen.console()
    screen.line(console, f"The old plan is now in {folder}; its approvals do not count for the new one.")
    show_actions.actions(console, drafted, state)
    tell(console, where, renewed)
