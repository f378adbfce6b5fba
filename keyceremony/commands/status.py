"""``keyceremony status``: where things stand, what is due, and what to type next; changes nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click
from rich.console import Console

from appliance.ledger.fold import LedgerState
from appliance.ledger.quorum import Tally
from appliance.ledger.text import render_instant
from appliance.token.token import Token
from keyceremony import screen
from keyceremony.commands.drafts import example
from keyceremony.commands.options import Where, with_where
from keyceremony.looking import status as surveying
from keyceremony.looking import status_json
from keyceremony.looking.orphans import orphans
from keyceremony.looking.status import Pending, Survey
from keyceremony.people import secrets
from keyceremony.showing import show, show_state


@click.command("status", epilog=example("keyceremony status"))
@with_where("config", "ledger", "anchor", "token", "module", "pin_file")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def status_command(where: Where, as_json: bool) -> None:
    """Where things stand: the ledger's head and keys, plans on their way, who is missing, and the next command.

    Also what is due: suspensions not ratified, rotations, drills, copies that the policy demands, certificates about to
    expire. With --token (asks for its PIN, changes nothing) also keys on the token that the ledger does not know.
    """
    now = datetime.now(UTC)
    found = surveying.survey(where.ledger, where.anchor_if_given, now=now)
    command = surveying.next_command(found, where.arguments)
    if as_json:
        click.echo(json.dumps(status_json.of(found, command), ensure_ascii=False, indent=2))
        return
    out = screen.console()
    _show_state(out, found, now)
    for pending in found.pending:
        _show_pending(out, pending)
    for error in found.unreadable:
        screen.line(out, f"Not a plan for this ledger: {error.message}")
    if found.cut_off is not None:
        screen.line(out, f"!! An execute was cut off; its journal is {found.cut_off}")
    if where.token_given is not None:
        _show_orphans(out, where, found.state)
    _show_next(out, command)


def _show_state(out: Console, found: Survey, now: datetime) -> None:
    if found.state is None:
        screen.line(out, "The ledger is empty.")
        return
    show_state.head(out, found.state)
    show_state.keys(out, found.state)
    show_state.backups(out, found.state, now)
    show_state.clones(out, found.state)
    show_state.due(out, found.reminders)


def _show_pending(out: Console, pending: Pending) -> None:
    plan = pending.paper.plan
    screen.line(out, f"Plan {plan.sequence}: {plan.title}")
    screen.line(out, f"   file     {pending.paper.path}")
    screen.line(out, f"   expires  {plan.expires}")
    for tally in pending.ballot.tallies:
        _show_tally(out, tally)
    if pending.ballot.complete:
        screen.line(out, "   approved by enough people")
    show.refusals(out, pending.refusals)
    if pending.notes:
        screen.line(out, f"   notes    {len(pending.notes)}, the last at {pending.notes[-1].at}")
    for error in pending.strange:
        screen.line(out, f"   does not count: {error.message}")
    if pending.impossible is not None:
        screen.line(out, f"   cannot be carried out: {pending.impossible.message}")


def _show_tally(out: Console, tally: Tally) -> None:
    body = "" if tally.body == "roster" else f"{tally.body}: "
    approved = [f"{one.person.id} ({render_instant(one.signing_time)})" for one in tally.approved]
    screen.line(out, f"   {body}approved by  {', '.join(approved) or 'nobody yet'}")
    for role, count in tally.missing.items():
        if count:
            who = ", ".join(person.id for person in tally.remaining[role])
            screen.line(out, f"   {body}missing      {count} {role}: any {count} of {who}")


def _show_orphans(out: Console, where: Where, state: LedgerState | None) -> None:
    serial = state.token_serial if state else None
    pin = secrets.pin_for(str(where.token_given), where.pin_file)
    with Token.open(where.module, label=where.token_given, serial=serial, pin=pin) as opened:
        found = orphans(opened, state)
    if not found:
        screen.line(out, "The token holds every key of the ledger, and no other.")
    for one in found:
        screen.line(out, f"Token: {one}")


def _show_next(out: Console, command: list[str]) -> None:
    if not command:
        screen.line(out, "Nothing waits.")
        return
    screen.line(out, "Next:")
    screen.line(out, f"   {surveying.in_words(command)}")
    if command[1] == "approve":
        screen.line(out, "   (--token: the label of that person's own token; with a key in a file: --pem FILE instead)")
