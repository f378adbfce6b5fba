"""``keyceremony status`` and ``verify``: reading a ledger, changing nothing."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import click
from rich.console import Console

from appliance.ledger import chain, files
from appliance.ledger.chain import Entry
from appliance.ledger.errors import LedgerUnreadable
from appliance.ledger.fold import LedgerState
from appliance.ledger.rollback import Seen, require_not_behind
from appliance.ledger.text import render_instant
from appliance.token.token import Token
from keyceremony import screen, secrets
from keyceremony import status as surveying
from keyceremony.commands.options import Where, with_where
from keyceremony.errors import UsageProblem
from keyceremony.orphans import orphans
from keyceremony.status import Pending, Survey

_SEEN = re.compile(r"(?P<sequence>[0-9]{1,6}):(?P<head>[0-9a-f]{64})", re.ASCII)


@click.command("status")
@with_where("config", "ledger", "anchor", "token", "module", "pin_file")
def status_command(where: Where) -> None:
    """Where things stand: the ledger's head and keys, plans on their way, who is missing, and the next command.

    With --token (asks for its PIN, changes nothing) also keys on the token that the ledger does not know, such as an
    execute leaves behind when the machine dies in the middle of it.
    """
    found = surveying.survey(where.ledger, where.anchor_if_given, now=datetime.now(UTC))
    out = screen.console()
    _show_state(out, found.state)
    for pending in found.pending:
        _show_pending(out, pending)
    for error in found.unreadable:
        screen.line(out, f"Not a plan for this ledger: {error.message}")
    if where.token_given is not None:
        _show_orphans(out, where, found.state)
    _show_next(out, found, where)


def _show_state(out: Console, state: LedgerState | None) -> None:
    if state is None:
        screen.line(out, "The ledger is empty.")
        return
    screen.line(out, f"Ledger at entry {state.sequence}{', REHEARSAL' if state.rehearsal else ''}")
    screen.line(out, f"   head     {state.head}")
    screen.line(out, f"   anchor   {state.anchor}")
    screen.line(out, f"   token    {state.token_label}, serial {state.token_serial}")
    show_keys(out, state)


def show_keys(out: Console, state: LedgerState) -> None:
    """The keys by domain, in a table."""
    if not state.keys:
        screen.line(out, "No keys yet.")
        return
    rows = []
    for generation, key in sorted(state.keys.items()):
        current = "current" if state.current.get(generation.domain) == generation else ""
        rows.append([str(generation), str(key.state), current, str(key.parent or "–"), key.check_value.hex()])
    out.print(screen.table("Keys", ["key", "state", "", "parent", "check value"], rows))


def _show_pending(out: Console, pending: Pending) -> None:
    plan, tally = pending.paper.plan, pending.tally
    screen.line(out, f"Plan {plan.sequence}: {plan.title}")
    screen.line(out, f"   file     {pending.paper.path}")
    screen.line(out, f"   expires  {plan.expires}")
    approved = [f"{one.person.id} ({render_instant(one.signing_time)})" for one in tally.approved]
    screen.line(out, f"   approved by  {', '.join(approved) or 'nobody yet'}")
    for role, count in tally.missing.items():
        if count:
            who = ", ".join(person.id for person in tally.remaining[role])
            screen.line(out, f"   missing      {count} {role}: any {count} of {who}")
    if tally.complete:
        screen.line(out, "   approved by enough people")
    for error in pending.strange:
        screen.line(out, f"   does not count: {error.message}")
    if pending.refused is not None:
        screen.line(out, f"   cannot be carried out: {pending.refused.message}")


def _show_orphans(out: Console, where: Where, state: LedgerState | None) -> None:
    serial = state.token_serial if state else None
    pin = secrets.pin_for(str(where.token_given), where.pin_file)
    with Token.open(where.module, label=where.token_given, serial=serial, pin=pin) as opened:
        found = orphans(opened, state)
    if not found:
        screen.line(out, "The token holds every key of the ledger, and no other.")
    for one in found:
        screen.line(out, f"Token: {one}")


def _show_next(out: Console, found: Survey, where: Where) -> None:
    command = surveying.next_command(found, where.arguments)
    if not command:
        screen.line(out, "Nothing waits.")
        return
    screen.line(out, "Next:")
    screen.line(out, f"   {surveying.in_words(command)}")
    if command[1] == "approve":
        screen.line(out, "   (--token: the label of that person's own token; with a key in a file: --pem FILE instead)")


@click.command("verify")
@with_where("config", "ledger", "anchor")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option(
    "--at-least", metavar="SEQ:HEAD", help="Refuse a ledger that lacks this entry or has another in its place."
)
def verify_command(where: Where, as_json: bool, at_least: str | None) -> None:
    """Verify the whole ledger: every file, signature, quorum and step, offline and without a token.

    Exit code 0: it holds; 4: it is refused, and the message names the file and the reason. Keep the last
    SEQ:HEAD printed, and give it with --at-least next time: an old copy, or another history, is then refused.
    """
    seen = _seen(at_least)
    folder = where.ledger
    if not folder.is_dir():
        raise LedgerUnreadable(f"{folder}: no such folder", "check --ledger")
    entries = chain.verify_entries(files.read(folder), where.anchor)
    require_not_behind(seen, entries)
    if as_json:
        click.echo(json.dumps(_as_json(entries), ensure_ascii=False, indent=2))
    else:
        _show_entries(screen.console(), entries)


def _seen(text: str | None) -> Seen | None:
    if text is None:
        return None
    match = _SEEN.fullmatch(text)
    if match is None:
        raise UsageProblem(f"--at-least {text}: needs SEQ:HEAD", "as keyceremony verify printed it")
    return Seen(sequence=int(match["sequence"]), head=match["head"])


def _show_entries(out: Console, entries: tuple[Entry, ...]) -> None:
    rows = [_entry_row(entry) for entry in entries]
    out.print(screen.table("Ledger", ["entry", "title", "approved by", "carried out", "head"], rows))
    state = entries[-1].state
    show_keys(out, state)
    screen.line(out, f"Verified: {len(entries)} entries; every signature, quorum and step holds.")
    screen.line(out, f"   {state.sequence}:{state.head}")


def _entry_row(entry: Entry) -> list[str]:
    approvers = "\n".join(f"{approval.person.id}, {approval.person.role}" for approval in entry.approvals)
    return [str(entry.sequence), entry.plan.title, approvers, entry.outcome.finished, f"{entry.head[:16]}…"]


def _as_json(entries: tuple[Entry, ...]) -> dict[str, object]:
    state = entries[-1].state
    return {
        "anchor": state.anchor,
        "sequence": state.sequence,
        "head": state.head,
        "rehearsal": state.rehearsal,
        "entries": [_entry_json(entry) for entry in entries],
        "keys": {
            str(generation): {
                "state": str(key.state),
                "current": state.current.get(generation.domain) == generation,
                "parent": None if key.parent is None else str(key.parent),
                "key_id": key.key_id.hex(),
                "check_value": key.check_value.hex(),
            }
            for generation, key in sorted(state.keys.items())
        },
    }


def _entry_json(entry: Entry) -> dict[str, object]:
    return {
        "sequence": entry.sequence,
        "title": entry.plan.title,
        "approvers": [
            {"id": one.person.id, "role": one.person.role, "signed": render_instant(one.signing_time)}
            for one in entry.approvals
        ],
        "operator": entry.outcome.operator,
        "finished": entry.outcome.finished,
        "head": entry.head,
    }
