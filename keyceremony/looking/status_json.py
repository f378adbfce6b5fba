"""What ``keyceremony status --json`` prints: the survey as plain data."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from appliance.ledger.fold import LedgerState
from appliance.ledger.quorum import Tally
from appliance.ledger.text import render_instant
from keyceremony.looking.status import Pending, Survey


def of(found: Survey, command: Sequence[str]) -> dict[str, Any]:
    """The whole survey; ``ledger`` is null while there is no entry."""
    return {
        "ledger": None if found.state is None else _ledger(found.state),
        "plans": [_plan(pending) for pending in found.pending],
        "unreadable": [error.message for error in found.unreadable],
        "cut_off": None if found.cut_off is None else str(found.cut_off),
        "due": [asdict(one) for one in found.reminders],
        "next": list(command),
    }


def _ledger(state: LedgerState) -> dict[str, Any]:
    return {
        "sequence": state.sequence,
        "head": state.head,
        "anchor": state.anchor,
        "rehearsal": state.rehearsal,
        "token": {"label": state.token_label, "serial": state.token_serial},
        "keys": keys(state),
        "backups": {
            serial: {"label": backup.label, "last_drill": state.drills.get(serial)}
            for serial, backup in sorted(state.backups.items())
        },
        "clones": {
            serial: {"label": clone.label, "log": clone.log_name} for serial, clone in sorted(state.clones.items())
        },
    }


def keys(state: LedgerState) -> dict[str, Any]:
    """Every key by its generation; ``public_key``: of a log key, SubjectPublicKeyInfo (DER) in base64."""
    return {
        str(generation): {
            "state": str(key.state),
            "current": state.current.get(generation.domain) == generation,
            "parent": None if key.parent is None else str(key.parent),
            "key_id": key.key_id.hex(),
            "check_value": key.check_value.hex(),
            "public_key": b64encode(key.public_key).decode("ascii") or None,
            "copies": sorted(key.copies),
            "clones": sorted(key.clones),
            "since": key.since,
        }
        for generation, key in sorted(state.keys.items())
    }


def _plan(pending: Pending) -> dict[str, Any]:
    plan = pending.paper.plan
    return {
        "sequence": plan.sequence,
        "title": plan.title,
        "file": str(pending.paper.path),
        "digest": pending.paper.digest,
        "expires": plan.expires,
        "complete": pending.ballot.complete,
        "bodies": [_tally(tally) for tally in pending.ballot.tallies],
        "refusals": [
            {"person": one.refusal.person, "at": one.refusal.at, "reason": one.refusal.reason}
            for one in pending.refusals
        ],
        "notes": len(pending.notes),
        "does_not_count": [error.message for error in pending.strange],
        "impossible": None if pending.impossible is None else pending.impossible.message,
    }


def _tally(tally: Tally) -> dict[str, Any]:
    return {
        "body": tally.body,
        "approved": [
            {"person": one.person.id, "role": one.person.role, "at": render_instant(one.signing_time)}
            for one in tally.approved
        ],
        "missing": dict(tally.missing),
        "remaining": {role: [person.id for person in people] for role, people in tally.remaining.items()},
    }
