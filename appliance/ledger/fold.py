"""The state that a ledger's entries add up to, and the one function that adds an entry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType

from appliance.ledger import certificate as certificates
from appliance.ledger.actions import Found, action_name
from appliance.ledger.book import Book
from appliance.ledger.errors import (
    CertificateInvalid,
    IllegalAction,
    LedgerError,
    OutcomeMismatch,
    RehearsalMixed,
    WrongToken,
)
from appliance.ledger.genesis import titles_of, tree_of
from appliance.ledger.keys import Effect, KeyRecord, Moment
from appliance.ledger.outcome import Founded, Outcome
from appliance.ledger.plan import Plan
from appliance.ledger.resultrules import require_random
from appliance.ledger.results import Results
from appliance.ledger.roster import decode_certificate
from appliance.ledger.state import LedgerState

__all__ = ["Effect", "KeyRecord", "LedgerState", "apply", "plan_effects"]


def plan_effects(state: LedgerState | None, plan: Plan) -> tuple[Effect, ...]:
    """What each action of a plan would do, before anything is done.

    Raises:
        IllegalAction: at the first action that the ledger's state forbids.
        RosterInvalid, DomainsInvalid, PolicyInvalid, CertificateInvalid: what it would put in place breaks a rule.
        RehearsalMixed: a rehearsal's plan in a real ledger, or the other way round.
    """
    if state is None:
        return (_founding_effect(_founding(plan)),)
    _require_same_kind(state, plan)
    book, effects = Book(state), []
    for number, action in enumerate(plan.actions, start=1):
        with _numbered(number):
            effects.append(book.carry_out(action))
    return tuple(effects)


def apply(state: LedgerState | None, plan: Plan, outcome: Outcome, head: str, anchor: str) -> LedgerState:
    """The state after one more entry. Plan and outcome must be valid in themselves.

    Raises:
        IllegalAction: an action that the ledger's state forbids.
        OutcomeMismatch: results that are not those of the actions, one by one.
        WrongToken: another token than the appliance's.
        AttributesRefused, KeyReused, CertificateInvalid: a key that must not be used.
        RehearsalMixed: a rehearsal's plan in a real ledger, or the other way round.
    """
    if len(outcome.results) != len(plan.actions):
        raise OutcomeMismatch(f"results: {len(outcome.results)}, but the plan has {len(plan.actions)} actions")
    if state is None:
        return _found(plan, outcome, head, anchor)
    _require_same_kind(state, plan)
    results = Results(Book(state, Moment(plan.sequence, outcome.finished)))
    for number, (action, result) in enumerate(zip(plan.actions, outcome.results, strict=True), start=1):
        with _numbered(number):
            results.take(action, result)
    _require_token(outcome, results.book.token.serial)
    return _settled(state, results, plan.sequence, head)


def _settled(state: LedgerState, results: Results, sequence: int, head: str) -> LedgerState:
    book = results.book
    return replace(
        state,
        sequence=sequence,
        head=head,
        token_label=book.token.label,
        token_serial=book.token.serial,
        identity_key_id=results.identity_key_id,
        identity_certificate=results.identity_certificate,
        roster=book.roster,
        policy=book.policy,
        domains=book.domains,
        tree=book.keys.tree,
        titles=MappingProxyType(titles_of(book.domains)),
        keys=MappingProxyType(book.keys.keys),
        current=MappingProxyType(book.keys.current()),
        backups=MappingProxyType(book.backups),
        drills=MappingProxyType(book.drills),
        restored=results.restored,
        clones=MappingProxyType(book.clones),
        clone_logs=MappingProxyType(book.clone_logs),
    )


def _found(plan: Plan, outcome: Outcome, head: str, anchor: str) -> LedgerState:
    found, result = _founding(plan), outcome.results[0]
    if not isinstance(result, Founded):
        raise OutcomeMismatch("results: 1: genesis must result in the identity key")
    _require_token(outcome, found.token_serial)
    key_id = bytes.fromhex(result.key_id)
    require_random(key_id)
    certificate = decode_certificate("results: 1: certificate", result.certificate)
    certificates.require_self_signed(certificate.der)
    for person in found.roster.people:
        if decode_certificate(person.id, person.certificate).key_identity == certificate.key_identity:
            raise CertificateInvalid(f"results: 1: certificate: the identity key is {person.id}'s own key")
    return LedgerState(
        sequence=plan.sequence,
        head=head,
        anchor=anchor,
        rehearsal=plan.rehearsal,
        token_label=found.token_label,
        token_serial=found.token_serial,
        identity_key_id=key_id,
        identity_certificate=certificate.der,
        roster=found.roster,
        policy=found.policy,
        domains=found.domains,
        tree=tree_of(found.domains),
        titles=MappingProxyType(titles_of(found.domains)),
        keys=MappingProxyType({}),
        current=MappingProxyType({}),
        backups=MappingProxyType({}),
        drills=MappingProxyType({}),
    )


def _founding(plan: Plan) -> Found:
    action = plan.actions[0]
    if not isinstance(action, Found) or len(plan.actions) != 1:
        raise IllegalAction("actions: a ledger begins with one action, found")
    return action


def _founding_effect(found: Found) -> Effect:
    return Effect(action_name(found), found.token_label, None, None)


def _require_same_kind(state: LedgerState, plan: Plan) -> None:
    if plan.rehearsal != state.rehearsal:
        kinds = {True: "a rehearsal", False: "real"}
        raise RehearsalMixed(f"rehearsal: the plan is {kinds[plan.rehearsal]}, the ledger {kinds[state.rehearsal]}")


def _require_token(outcome: Outcome, serial: str) -> None:
    if outcome.token.serial != serial:
        raise WrongToken(f"token: serial {outcome.token.serial!r}; the ledger says {serial!r}")


@contextmanager
def _numbered(number: int) -> Iterator[None]:
    """Say which action it was."""
    try:
        yield
    except LedgerError as error:
        raise type(error)(f"action {number}: {error.reason}", error.hint) from error
