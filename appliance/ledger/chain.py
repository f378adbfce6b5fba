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

from appliance.ledger import certificate as certificates
from appliance.ledger import cms, fold, outcome, plan, quorum
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
        entry = verify_entry(state, files[authorization_name(sequence)], files[outcome_name(sequence)], anchor)
        entries.append(entry)
        state = entry.state
    return tuple(entries)


def verify_entry(state: LedgerState | None, authorization: bytes, outcome: bytes, anchor: str) -> Entry:
    """One entry more on a verified state (None: genesis).

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
        after = fold.apply(state, agreed.plan, happened, head, anchor)
    return Entry(sequence, agreed.plan, happened, approvals, head, after)


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
    if not files:
        raise LedgerIncomplete("the ledger is empty", file=authorization_name(1))
    length = (len(files) + 1) // 2
    expected = set(_names(length))
    for name in sorted(set(files) - expected):
        raise LedgerIncomplete("does not belong into a ledger, or files before it are missing", file=name)
    for name in sorted(expected - set(files)):
        raise LedgerIncomplete("is missing", file=name)
    return length


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
    _require_identity(state, signed, happened)
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


def _require_identity(state: LedgerState | None, signed: Signed, happened: Outcome) -> None:
    """One signature, by the identity key: the state's, or at genesis the one in its own result."""
    if len(signed.signers) != 1:
        raise StrangeSigner(f"{len(signed.signers)} signatures; an outcome has one, the appliance's")
    signature, first = signed.signers[0], happened.results[0]
    if state is not None:
        expected = state.identity_certificate
    elif isinstance(first, Founded):
        expected = decode_certificate("results: 1: certificate", first.certificate).der
    else:
        raise OutcomeMismatch("results: 1: genesis must result in the identity key")
    if signature.certificate != expected:
        raise StrangeSigner("not signed by the appliance's identity key")
    if not certificates.read(expected).covers(signature.signing_time):
        raise CertificateInvalid("signed outside the validity of the identity certificate")


def _require_approved_before(approvals: tuple[Approval, ...], started: datetime) -> None:
    for approval in approvals:
        if approval.signing_time > started:
            moment = render_instant(approval.signing_time)
            raise ApprovalUntimely(f"{approval.person.id} approved at {moment}, after the plan was carried out")
