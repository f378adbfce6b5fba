"""``keyceremony inventory``: tokens and ledger compared, and what falls due."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from appliance.ledger.state import LedgerState
from keyceremony import screen
from keyceremony.act import journal as journals
from keyceremony.act import needs
from keyceremony.act.desk import Desk, Name
from keyceremony.commands.options import Where, with_where
from keyceremony.commands.pinsource import pin_source, taking_pins
from keyceremony.errors import UsageProblem
from keyceremony.looking import inventory
from keyceremony.looking.inventory import Finding
from keyceremony.looking.reminders import Reminder, reminders
from keyceremony.table import papers

ATTENTION = 1


@click.command("inventory")
@click.option(
    "--with",
    "labels",
    multiple=True,
    metavar="LABEL",
    help="A backup token or a clone at hand, to be looked at as well; repeat.",
)
@click.option("--all", "everything", is_flag=True, help="Look at every backup token and clone of the ledger.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@with_where("config", "ledger", "anchor", "module", "token", "pin_file")
@taking_pins
def command(labels: tuple[str, ...], everything: bool, as_json: bool, where: Where, **given: Any) -> int:
    """Compare the tokens with the ledger, object by object, and tell what falls due. Changes nothing.

    Looked at: the appliance's token (at a second site, the clone that it is), and the backup tokens and clones named.
    Exit code 0: all is as it must be; 1: something needs attention: a key missing, unknown, with wrong attributes or
    another check value; a suspension not ratified, a rotation or a drill that is due, a certificate about to expire, an
    execute that was cut off.
    """
    _, state = papers.load_ledger(where.ledger, where.anchor)
    if state is None:
        raise UsageProblem("the ledger is empty: there is nothing to compare a token with", "keyceremony plan genesis")
    found = _look(where, state, _chosen(state, labels, everything), given)
    due = [*_broken(where), *reminders(state, datetime.now(UTC))]
    if as_json:
        _print_json(state, found, due)
    else:
        _print(state, found, due)
    urgent = any(one.attention for one in found) or bool(due)
    return ATTENTION if urgent else 0


def _chosen(state: LedgerState, labels: tuple[str, ...], everything: bool) -> list[Name]:
    enrolled = {one.label: Name(one.label, one.serial) for one in needs.others(state)}
    if unknown := [label for label in labels if label not in enrolled]:
        known = ", ".join(enrolled) or "none"
        raise UsageProblem(
            f"--with {unknown[0]}: no backup token and no clone of this ledger", f"backup tokens and clones: {known}"
        )
    return [name for label, name in enrolled.items() if everything or label in labels]


def _look(where: Where, state: LedgerState, others: list[Name], given: dict[str, Any]) -> list[Finding]:
    own = _own(where, state)
    source = pin_source(where, own.label, given["pins"], given["so_pins"], given["ask_pin"])
    with Desk(where.module, source, [own, *others]) as desk:
        looked = dict.fromkeys(name.serial for name in (own, *others))
        found = [one for serial in looked for one in inventory.compare(state, serial, desk.token(serial))]
    unlooked = [name.serial for name in (own_token(state), *needs.others(state)) if name.serial not in looked]
    return found + [inventory.unlooked(state, serial) for serial in unlooked]


def _own(where: Where, state: LedgerState) -> Name:
    """The token of the machine's own appliance: a clone where ``[token]`` or ``--token`` names one."""
    named = [clone for clone in state.clones.values() if clone.label == where.token_if_given]
    if len(named) == 1 and where.token_if_given != state.token_label:
        return Name(named[0].label, named[0].serial)
    return own_token(state)


def own_token(state: LedgerState) -> Name:
    """The token of the appliance that the ledger was founded on."""
    return Name(state.token_label, state.token_serial)


def _broken(where: Where) -> list[Reminder]:
    path = journals.left_behind(where.ledger)
    if path is None:
        return []
    text = "an execute was cut off: keyceremony resume goes on with it, keyceremony abort undoes it"
    return [Reminder("interrupted", str(path), text, urgent=True)]


def _print(state: LedgerState, found: list[Finding], due: list[Reminder]) -> None:
    out = screen.console()
    rows = [[one.token, one.subject, one.status, one.key_id, one.text] for one in found]
    title = f"Inventory against ledger entry {state.sequence}"
    out.print(screen.table(title, ["token", "object", "", "CKA_ID", ""], rows, whole=["CKA_ID"]))
    for reminder in due:
        screen.line(out, f"{'!! ' if reminder.urgent else ''}{reminder.subject}: {reminder.text}")
    strange = sum(one.attention for one in found)
    if not strange and not due:
        screen.line(out, "All is as it must be.")
        return
    screen.line(out, f"Needs attention: {strange} on the tokens, {len(due)} due.")


def _print_json(state: LedgerState, found: list[Finding], due: list[Reminder]) -> None:
    told = {
        "sequence": state.sequence,
        "head": state.head,
        "findings": [{**asdict(one), "attention": one.attention} for one in found],
        "reminders": [asdict(one) for one in due],
    }
    click.echo(json.dumps(told, ensure_ascii=False, indent=2))
