"""``keyceremony verify``: reading a whole ledger, changing nothing."""

from __future__ import annotations

import json
import re

import click
from rich.console import Console

from appliance.ledger import chain, files
from appliance.ledger.chain import Entry
from appliance.ledger.errors import LedgerUnreadable
from appliance.ledger.rollback import Seen, require_not_behind
from appliance.ledger.text import render_instant
from keyceremony import screen
from keyceremony.commands.options import Where, with_where
from keyceremony.errors import UsageProblem
from keyceremony.looking import status_json
from keyceremony.showing import show_state

_SEEN = re.compile(r"(?P<sequence>[0-9]{1,6}):(?P<head>[0-9a-f]{64})", re.ASCII)


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
    show_state.keys(out, state)
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
        "keys": status_json.keys(state),
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
