"""Verifying the whole ledger: every file, every signature, every quorum, every step, from genesis on.

Nothing is believed that does not follow from the files and the pinned trust anchor. The same
checks, in the same functions, decide whether a new plan may be carried out (`check_next`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from appliance.ledger import annexes, cms, fold, outcome, plan, quorum
from appliance.ledger import certificate as certificates
from appliance.ledger.actions import Restore
from appliance.ledger.annexes import Annex
from appliance.ledger.cms import Signed
from appliance.ledger.errors import (
    ApprovalUntimely,
    CertificateInvalid,
    LedgerIncomplete,
    NotYetValid,
    OutcomeMismatch,
    PlanExpired,
    StrangeSigner,
    WrongAnchor,
    WrongPrevious,
    WrongSequence,
    naming,
)
from appliance.ledger.fold import LedgerState
from appliance.ledger.outcome import Founded, Outcome
from appliance.ledger.plan import NO_PREVIOUS, Plan
from appliance.ledger.quorum import Approval
from appliance.ledger.roster import decode_certificate
from appliance.ledger.text import parse_instant, render_instant

NOTHING: Mapping[str, bytes] = MappingProxyType({})
_HEAD_PREFIX = b"kagimori/head/v1\n"
_ANCHOR = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class Authorization:
    """A verified authorization (or a single approval): the plan, its bytes, and who signed them."""

    plan: Plan
    plan_bytes: bytes
    signed: Signed


@dataclass(frozen=True)
class Entry:
    """One verified entry: what was agreed and by whom, what happened, and the state after it."""

    sequence: int
    plan: Plan
    outcome: Outcome
    approvals: tuple[Approval, ...]
    head: str
    state: LedgerState
    annexes: Mapping[str, Annex]


def authorization_name(sequence: int) -> str:
    """``000007.authorization.cms``."""
    return f"{sequence:06d}.authorization.cms"


def outcome_name(sequence: int) -> str:
    """``000007.outcome.cms``."""
    return f"{sequence:06d}.outcome.cms"


def anchor_of(plan_bytes: bytes) -> str:
    """The trust anchor of a ledger whose genesis plan has these bytes."""
    return plan.digest(plan_bytes)


def head_of(authorization: bytes, outcome: bytes) -> str:
    """The head after an entry: lower-case hex SHA-256 over the digests of its two files."""
    digests = hashlib.sha256(authorization).digest() + hashlib.sha256(outcome).digest()
    return hashlib.sha256(_HEAD_PREFIX + digests).hexdigest()


def verify(files: Mapping[str, bytes], anchor: str) -> LedgerState:
    """The state of a ledger, if every file of it is as it must be.

    Raises:
        LedgerError: (a subclass) at the first fault, naming the file and the reason.
    """
    return verify_entries(files, anchor)[-1].state


def verify_entries(files: Mapping[str, bytes], anchor: str) -> tuple[Entry, ...]:
    """Every entry of a ledger, verified; at least genesis.

    Raises:
        LedgerError: (a subclass) at the first fault, naming the file and the reason.
    """
    length = _length(files)
    entries: list[Entry] = []
    state: LedgerState | None = None
    for sequence in range(1, length + 1):
        pair = files[authorization_name(sequence)], files[outcome_name(sequence)]
        entry = verify_entry(state, *pair, anchor, annexes.of_entry(files, sequence))
        entries.append(entry)
        state = entry.state
    open_annexes(files, state)
    return tuple(entries)


def open_annexes(files: Mapping[str, bytes], state: LedgerState | None) -> dict[str, Annex]:
    """The annexes of the entry that is to come (``state`` None: of genesis), each verified.

    Raises:
        LedgerError: (a subclass) naming the file.
    """
    sequence = state.sequence + 1 if state else 1
    roster = state.roster if state else None
    waiting = annexes.of_entry(files, sequence)
    return {name: annexes.verify(name, data, sequence, state, roster) for name, data in waiting.items()}


def verify_entry(
    state: LedgerState | None, authorization: bytes, outcome: bytes, anchor: str, beside: Mapping[str, bytes] = NOTHING
) -> Entry:
    """One entry more on a verified state (None: genesis), with the annexes ``beside`` it.

    Raises:
        LedgerError: (a subclass) at the first fault, naming the file and the reason.
    """
    sequence = 1 if state is None else state.sequence + 1
    with naming(authorization_name(sequence)):
        agreed, approvals = _check_agreed(state, authorization, anchor)
    with naming(outcome_name(sequence)):
        happened = _check_outcome(state, agreed, authorization, outcome)
        _require_approved_before(approvals, parse_instant("started", happened.started))
        head = head_of(authorization, outcome)
        annexes.require_listed(beside, happened.annexes)
        after = fold.apply(state, agreed.plan, happened, head, anchor)
    roster = quorum.roster_for(agreed.plan, state.roster if state else None)
    kept = {name: annexes.verify(name, data, sequence, state, roster) for name, data in beside.items()}
    return Entry(sequence, agreed.plan, happened, approvals, head, after, kept)


def open_authorization(data: bytes) -> Authorization:
    """An authorization, or one approval: signatures verified, plan parsed; who signed is not judged.

    Raises:
        LedgerError: (a subclass) a bad signature, form or plan.
    """
    signed = cms.verify(data)
    return Authorization(plan.parse(signed.content), signed.content, signed)


def check_next(state: LedgerState | None, authorization: bytes, anchor: str, now: datetime) -> Plan:
    """The plan that may be carried out next, now (None: no ledger yet, so genesis).

    Raises:
        LedgerError: (a subclass) what forbids it, naming the file it would become.
    """
    sequence = 1 if state is None else state.sequence + 1
    with naming(authorization_name(sequence)):
        agreed, approvals = _check_agreed(state, authorization, anchor)
        created, expires = plan.lifetime(agreed.plan)
        if now < created:
            raise NotYetValid(f"created {agreed.plan.created}, but it is {render_instant(now)}")
        if now > expires:
            raise PlanExpired(f"expired {agreed.plan.expires}; it is {render_instant(now)}")
        for approval in approvals:
            if approval.signing_time > now:
                moment = render_instant(approval.signing_time)
                raise NotYetValid(f"{approval.person.id} approved at {moment}, but it is {render_instant(now)}")
        fold.plan_effects(state, agreed.plan)
    return agreed.plan


def _length(files: Mapping[str, bytes]) -> int:
    """How many entries there are, if the names are exactly those of consecutive entries from 1."""
    entries = {name for name in files if annexes.NAME.fullmatch(name) is None}
    if not entries:
        raise LedgerIncomplete("the ledger is empty", file=authorization_name(1))
    length = (len(entries) + 1) // 2
    expected = set(_names(length))
    for name in sorted(entries - expected):
        raise LedgerIncomplete("does not belong into a ledger, or files before it are missing", file=name)
    for name in sorted(expected - entries):
        raise LedgerIncomplete("is missing", file=name)
    for name in sorted(set(files) - entries):
        if int(name[:6]) not in range(1, length + 2):
            raise LedgerIncomplete("is an annex of no entry of this ledger", file=name)
    return length


def length_of(files: Mapping[str, bytes]) -> int:
    """How many entries the files of a ledger are meant to be; annexes do not count."""
    return (sum(annexes.NAME.fullmatch(name) is None for name in files) + 1) // 2


def _names(length: int) -> Iterator[str]:
    for sequence in range(1, length + 1):
        yield authorization_name(sequence)
        yield outcome_name(sequence)


def _check_agreed(
    state: LedgerState | None, authorization: bytes, anchor: str
) -> tuple[Authorization, tuple[Approval, ...]]:
    """The plan stands in its place, and a quorum of the roster in force approved it."""
    agreed = open_authorization(authorization)
    _require_place(state, agreed, anchor)
    roster = quorum.roster_for(agreed.plan, state.roster if state else None)
    return agreed, quorum.require(agreed.plan, agreed.signed.signers, roster).approved


def _require_place(state: LedgerState | None, agreed: Authorization, anchor: str) -> None:
    if _ANCHOR.fullmatch(anchor) is None:
        raise WrongAnchor("the trust anchor must be 64 lower-case hexadecimal digits")
    sequence, previous = (state.sequence + 1, state.head) if state else (1, NO_PREVIOUS)
    if agreed.plan.sequence != sequence:
        raise WrongSequence(f"sequence: the plan is number {agreed.plan.sequence}; its place is {sequence}")
    if agreed.plan.previous != previous:
        raise WrongPrevious(f"previous: {agreed.plan.previous}, but the head before it is {previous}")
    if state is None and anchor_of(agreed.plan_bytes) != anchor:
        raise WrongAnchor(f"genesis is {anchor_of(agreed.plan_bytes)}; the trust anchor is {anchor}")
    if state is not None and state.anchor != anchor:
        raise WrongAnchor(f"the ledger was verified against {state.anchor}; the trust anchor is {anchor}")


def _check_outcome(state: LedgerState | None, agreed: Authorization, authorization: bytes, data: bytes) -> Outcome:
    """The outcome is signed by the appliance, belongs to this authorization, and lies in its time."""
    signed = cms.verify(data)
    happened = outcome.parse(signed.content)
    _require_identity(state, agreed, signed, happened)
    if happened.sequence != agreed.plan.sequence:
        raise WrongSequence(f"sequence: the outcome is number {happened.sequence}; its place is {agreed.plan.sequence}")
    if happened.plan != plan.digest(agreed.plan_bytes):
        raise OutcomeMismatch("plan: the outcome is of another plan")
    if happened.authorization != hashlib.sha256(authorization).hexdigest():
        raise OutcomeMismatch("authorization: the outcome is of another authorization file")
    created, expires = plan.lifetime(agreed.plan)
    started = parse_instant("started", happened.started)
    if started < created:
        raise NotYetValid(f"started {happened.started}, before the plan was created ({agreed.plan.created})")
    if started > expires:
        raise PlanExpired(f"started {happened.started}, after the plan expired ({agreed.plan.expires})")
    return happened


def _require_identity(state: LedgerState | None, agreed: Authorization, signed: Signed, happened: Outcome) -> None:
    """One signature, by the identity key: the state's, or at genesis the one in its own result.

    Of a restore the appliance's key is gone: the backup token that the copies came from signs, with the key that
    the ledger knows of it, and so vouches for the new identity key in the result.
    """
    if len(signed.signers) != 1:
        raise StrangeSigner(f"{len(signed.signers)} signatures; an outcome has one, the appliance's")
    signature, first = signed.signers[0], happened.results[0]
    if state is not None:
        expected = _identity(state, agreed.plan)
    elif isinstance(first, Founded):
        expected = decode_certificate("results: 1: certificate", first.certificate).der
    else:
        raise OutcomeMismatch("results: 1: genesis must result in the identity key")
    if signature.certificate != expected:
        raise StrangeSigner("not signed by the appliance's identity key")
    if not certificates.read(expected).covers(signature.signing_time):
        raise CertificateInvalid("signed outside the validity of the identity certificate")


def _identity(state: LedgerState, agreed: Plan) -> bytes:
    for action in agreed.actions:
        if isinstance(action, Restore) and action.source in state.backups:
            return state.backups[action.source].identity_certificate
    return state.identity_certificate


def _require_approved_before(approvals: tuple[Approval, ...], started: datetime) -> None:
    for approval in approvals:
        if approval.signing_time > started:
            moment = render_instant(approval.signing_time)
            raise ApprovalUntimely(f"{approval.person.id} approved at {moment}, after the plan was carried out")
