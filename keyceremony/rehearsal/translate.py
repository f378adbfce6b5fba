"""A plan turned into its rehearsal: other tokens, other people, another place, and not a word else. Pure.

An action that names neither a token nor a person stays the very same, byte for byte in canonical JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from appliance.ledger import plan as plans
from appliance.ledger.actions import (
    Action,
    ChangeRoster,
    Drill,
    EnrollBackup,
    EnrollClone,
    Found,
    Generate,
    RemoveBackup,
    RemoveClone,
    Restore,
    UpdateClone,
)
from appliance.ledger.plan import Plan
from appliance.ledger.roster import Person, Roster
from appliance.ledger.text import render_instant
from keyceremony.act.desk import Name
from keyceremony.rehearsal.cast import MARK, marked

VALID = timedelta(days=1)
_LONGEST = 200  # characters of a title or a name


@dataclass(frozen=True)
class Parts:
    """Who and what stands in: tokens by the original serial number, certificates by the original one (both base64)."""

    tokens: Mapping[str, Name]
    certificates: Mapping[str, str]


def translate(plan: Plan, parts: Parts, previous: str, now: datetime) -> Plan:
    """The rehearsal of a plan, to be carried out now, after the rehearsal's own head ``previous``.

    Raises:
        LedgerError: (a subclass) what comes out breaks a rule.
        KeyError: a token or certificate has no stand-in.
    """
    translated = replace(
        plan,
        previous=previous,
        title=f"{MARK}: {plan.title}"[:_LONGEST].rstrip(),
        created=render_instant(now),
        expires=render_instant(now + VALID),
        rehearsal=True,
        actions=tuple(_action(action, parts) for action in plan.actions),
    )
    plans.validate(translated)
    return translated


def rosters(plan: Plan) -> list[Roster]:
    """The rosters that a plan puts in place: one, or none."""
    return [action.roster for action in plan.actions if isinstance(action, Found | ChangeRoster)]


def _action(action: Action, parts: Parts) -> Action:
    changes = _changes(action, parts)
    return replace(action, **changes) if changes else action


def _changes(action: Action, parts: Parts) -> dict[str, Any]:
    """The fields of an action that name a token or people."""
    changes: dict[str, Any] = {}
    if isinstance(action, Found | EnrollBackup | Restore | Drill | EnrollClone):
        name = parts.tokens[action.token_serial]
        changes |= {"token_label": name.label, "token_serial": name.serial}
    match action:
        case Found() | ChangeRoster():
            changes["roster"] = _roster(action.roster, parts)
        case Generate() if action.backups:
            changes["backups"] = tuple(sorted(_serial(one, parts) for one in action.backups))
        case EnrollBackup() if action.copy_from is not None:
            changes["copy_from"] = _serial(action.copy_from, parts)
        case RemoveBackup() | RemoveClone():
            changes["token_serial"] = _serial(action.token_serial, parts)
        case UpdateClone():
            changes["token_serial"] = _serial(action.token_serial, parts)
            changes["source"] = _serial(action.source, parts)
        case Drill() | EnrollClone():
            changes["source"] = _serial(action.source, parts)
        case Restore():
            changes["source"] = _serial(action.source, parts)
            changes["lost_backups"] = tuple(sorted(_serial(one, parts) for one in action.lost_backups))
        case _:
            pass
    return changes


def _serial(original: str, parts: Parts) -> str:
    return parts.tokens[original].serial


def _roster(roster: Roster, parts: Parts) -> Roster:
    return replace(roster, people=tuple(_person(person, parts) for person in roster.people))


def _person(person: Person, parts: Parts) -> Person:
    certificate = parts.certificates[person.certificate]
    return replace(person, name=marked(person.name, _LONGEST), certificate=certificate)
