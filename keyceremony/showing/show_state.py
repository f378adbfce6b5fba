"""The ledger's state in words: where it stands, its keys, its backup tokens and clones, and what is due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console

from appliance.ledger.fold import LedgerState
from keyceremony import screen
from keyceremony.looking.reminders import Reminder, days_since


def head(out: Console, state: LedgerState) -> None:
    """Print entry, head, anchor and token."""
    screen.line(out, f"Ledger at entry {state.sequence}{', REHEARSAL' if state.rehearsal else ''}")
    screen.line(out, f"   head     {state.head}")
    screen.line(out, f"   anchor   {state.anchor}")
    screen.line(out, f"   token    {state.token_label}, serial {state.token_serial}")


def keys(out: Console, state: LedgerState) -> None:
    """Print the keys by domain, in a table."""
    if not state.keys:
        screen.line(out, "No keys yet.")
        return
    rows = []
    for generation, key in sorted(state.keys.items()):
        current = "current" if state.current.get(generation.domain) == generation else ""
        copies = ", ".join(state.backups[serial].label for serial in sorted(key.copies)) or "–"
        told = [str(generation), str(key.state), current, str(key.parent or "–"), key.check_value.hex(), copies]
        rows.append(told)
    out.print(screen.table("Keys", ["key", "state", "", "parent", "check value", "copies on"], rows))


def backups(out: Console, state: LedgerState, now: datetime) -> None:
    """Print the backup tokens, how many keys each has, and how long ago recovery from it was rehearsed."""
    if not state.backups:
        screen.line(out, "No backup tokens.")
        return
    rows = []
    for serial, backup in sorted(state.backups.items()):
        held = sum(serial in key.copies for key in state.keys.values())
        last = state.drills.get(serial)
        drill = f"{days_since(last, now)} days ago ({last})" if last else "never"
        rows.append([backup.label, serial, str(held), drill])
    out.print(screen.table("Backup tokens", ["label", "serial", "keys", "last drill"], rows))


def clones(out: Console, state: LedgerState) -> None:
    """Print the clones, how many keys each has, and the log that it keeps; nothing where there are none."""
    rows = []
    for serial, clone in sorted(state.clones.items()):
        held = sum(serial in key.clones for key in state.keys.values())
        rows.append([clone.label, serial, str(held), clone.log_name or "none: it serves engines"])
    if rows:
        out.print(screen.table("Clones", ["label", "serial", "keys", "log"], rows))


def due(out: Console, reminders: Sequence[Reminder]) -> None:
    """Print what is due: what its time is over first, and loud."""
    if any(one.urgent for one in reminders):
        screen.line(out, "!! NEEDS ATTENTION NOW")
    for one in reminders:
        screen.line(out, f"   {'!!' if one.urgent else '  '} {one.kind} {one.subject}: {one.text}")
