"""What the ledger says is due now or soon: ratify, rotate, rehearse recovery, back up, renew certificates. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from appliance.ledger import certificate as certificates
from appliance.ledger import clones
from appliance.ledger.fold import LedgerState
from appliance.ledger.keys import KeyRecord
from appliance.ledger.roster import decode_certificate
from appliance.ledger.services import LOG, SERVICE, TAG
from appliance.ledger.states import GONE, KeyState
from appliance.ledger.text import parse_instant

AHEAD = timedelta(days=60)
_DEMANDING = frozenset({KeyState.GENERATED, KeyState.ACTIVE, KeyState.DECRYPT_ONLY, KeyState.SUSPENDED})


@dataclass(frozen=True)
class Reminder:
    """One thing to be done.

    ``kind``: ``service``, ``ratify``, ``rotation``, ``drill``, ``backups``, ``recovery``, ``clone`` or ``certificate``;
    ``subject``: a generation, ``log`` or ``tag``, a token's label or a person;
    ``urgent``: its time is over, else it comes soon.
    """

    kind: str
    subject: str
    text: str
    urgent: bool


def reminders(state: LedgerState, now: datetime) -> list[Reminder]:
    """Everything that the ledger's rules ask for now, or within sixty days; the urgent first."""
    found = [
        *_service(state),
        *_suspensions(state, now),
        *_backups(state),
        *_recovery(state),
        *_clones(state),
        *_rotations(state, now),
        *_drills(state, now),
        *_certificates(state, now),
    ]
    return sorted(found, key=lambda one: not one.urgent)  # stable


def days_since(instant: str, now: datetime) -> int:
    """Whole days from an instant of the ledger until now."""
    return (now - parse_instant("instant", instant)).days


def missing_service(state: LedgerState) -> list[str]:
    """``log`` and ``tag``, where a ledger that has keys has no active one of them: its daemon does not start."""
    return [name for name in SERVICE if state.keys and name not in state.current]


def _service(state: LedgerState) -> Iterator[Reminder]:
    does = {LOG: "nothing signs the log", TAG: "nothing makes subject tags"}
    for name in missing_service(state):
        text = f"no active key, so {does[name]}: no daemon starts"
        yield Reminder("service", name, text, urgent=True)


def _suspensions(state: LedgerState, now: datetime) -> Iterator[Reminder]:
    allowed = state.policy.keys.ratify_days
    for generation, key in sorted(state.keys.items()):
        if key.state is not KeyState.SUSPENDED or key.ratified:
            continue
        over = now - parse_instant("since", key.since) > timedelta(days=allowed)
        yield Reminder(
            "ratify",
            str(generation),
            f"suspended since {key.since} by the lighter quorum and not ratified; "
            f"{'OVERDUE: ' if over else ''}the policy allows {allowed} days",
            over,
        )


def _backups(state: LedgerState) -> Iterator[Reminder]:
    demanded = state.policy.keys.backups
    if len(state.backups) < demanded:
        text = f"enrolled: {len(state.backups)}; the policy demands {demanded}"
        yield Reminder("backups", "backup tokens", text, urgent=True)
    for generation, key in sorted(state.keys.items()):
        if generation.domain != LOG and key.state in _DEMANDING and len(key.copies) < demanded:
            text = f"copies on backup tokens: {len(key.copies)}; the policy demands {demanded}"
            yield Reminder("backups", str(generation), text, urgent=True)


def _recovery(state: LedgerState) -> Iterator[Reminder]:
    """A restore takes its keys from one backup token, so one of them should have every key that can be copied."""
    live = [key for gen, key in sorted(state.keys.items()) if key.state not in GONE and gen.domain != LOG]
    lacking = {serial: [key for key in live if serial not in key.copies] for serial in sorted(state.backups)}
    if lacking and all(lacking.values()):
        best = min(lacking, key=lambda serial: len(lacking[serial]))
        names = ", ".join(str(key.generation) for key in lacking[best])
        label = state.backups[best].label
        text = f"none has a copy of every key; {label} lacks {names}, which a restore from it could not bring back"
        yield Reminder("recovery", "backup tokens", text, urgent=False)


def _clones(state: LedgerState) -> Iterator[Reminder]:
    """A key that a clone lacks waits: it cannot be activated before the clone has it."""
    for serial, clone in sorted(state.clones.items()):
        if missing := clones.lacking(state.keys, serial):
            names = ", ".join(str(key.generation) for key in missing)
            text = f"lacks {names}, which cannot be activated before: keyceremony plan update-clone {clone.label}"
            yield Reminder("clone", clone.label, text, urgent=False)


def _rotations(state: LedgerState, now: datetime) -> Iterator[Reminder]:
    for domain, generation in sorted(state.current.items()):
        period = state.policy.keys.cryptoperiod_days.get(domain)
        if period is not None:
            yield from _rotation(state.keys[generation], period, now)


def _rotation(key: KeyRecord, period: int, now: datetime) -> Iterator[Reminder]:
    """SP 800-57 part 1, section 5.3: a key is used for its cryptoperiod and no longer."""
    age = days_since(key.activated_at, now)
    left = period - age
    if left <= AHEAD.days:
        due = f"due in {left} days" if left > 0 else f"due since {-left} days"
        text = f"active for {age} days of its {period}; rotation is {due}"
        yield Reminder("rotation", str(key.generation), text, left <= 0)


def _drills(state: LedgerState, now: datetime) -> Iterator[Reminder]:
    """Overdue at the policy's age, and never at all is overdue at once; a word ahead in its last tenth."""
    allowed = state.policy.keys.drill_days
    for serial, backup in sorted(state.backups.items()):
        last = state.drills.get(serial)
        if last is None:
            yield Reminder("drill", backup.label, "recovery from it was never rehearsed", urgent=True)
        elif (age := days_since(last, now)) >= allowed * 9 // 10:
            text = f"recovery from it was rehearsed {age} days ago; the policy allows {allowed}"
            yield Reminder("drill", backup.label, text, age > allowed)


def _certificates(state: LedgerState, now: datetime) -> Iterator[Reminder]:
    owners = [(one.id, decode_certificate(one.id, one.certificate).der) for one in state.roster.people]
    owners += [(state.token_label, state.identity_certificate)]
    owners += [(backup.label, backup.identity_certificate) for _, backup in sorted(state.backups.items())]
    for owner, der in owners:
        ends = certificates.read(der).not_after
        if ends - now > AHEAD:
            continue
        day = f"{ends:%Y-%m-%d}"
        text = f"the certificate expired on {day}" if ends < now else f"the certificate expires on {day}"
        yield Reminder("certificate", owner, text, ends < now)
