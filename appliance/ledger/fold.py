"""The state that a ledger's entries add up to, and the one function that adds an entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from appliance.ledger import certificate as certificates
from appliance.ledger.actions import Action, Found, Generate, KeyAction, action_name
from appliance.ledger.attributes import require_conversion_key
from appliance.ledger.errors import (
    CertificateInvalid,
    IllegalAction,
    KeyReused,
    LedgerError,
    OutcomeMismatch,
    RehearsalMixed,
    WrongToken,
)
from appliance.ledger.genesis import titles_of, tree_of
from appliance.ledger.keys import Effect, KeyBook, KeyRecord
from appliance.ledger.outcome import ActionResult, Founded, Generated, Outcome, StateChanged
from appliance.ledger.plan import Plan
from appliance.ledger.policy import Policy
from appliance.ledger.roster import Roster, decode_certificate
from appliance.numbers.domains import DomainTree, Generation

__all__ = ["Effect", "KeyRecord", "LedgerState", "apply", "plan_effects"]
_LEAST_DISTINCT_BYTES = 6  # 16 random bytes have fewer with a probability below 10**-17


@dataclass(frozen=True)
class LedgerState:
    """Everything the ledger says now. ``head`` and ``anchor`` are lower-case hex SHA-256."""

    sequence: int
    head: str
    anchor: str
    rehearsal: bool
    token_label: str
    token_serial: str
    identity_key_id: bytes
    identity_certificate: bytes
    roster: Roster
    policy: Policy
    tree: DomainTree
    titles: Mapping[str, str]
    keys: Mapping[Generation, KeyRecord]
    current: Mapping[str, Generation]


def plan_effects(state: LedgerState | None, plan: Plan) -> tuple[Effect, ...]:
    """What each action of a plan would do, before anything is done.

    Raises:
        IllegalAction: at the first action that the ledger's state forbids.
        RehearsalMixed: a rehearsal's plan in a real ledger, or the other way round.
    """
    if state is None:
        return (_founding_effect(_founding(plan)),)
    _require_same_kind(state, plan)
    book = KeyBook(state.tree, state.keys)
    return tuple(_carry_out(book, number, action) for number, action in enumerate(plan.actions, start=1))


def apply(state: LedgerState | None, plan: Plan, outcome: Outcome, head: str, anchor: str) -> LedgerState:
    """The state after one more entry. Plan and outcome must be valid in themselves.

    Raises:
        IllegalAction: an action that the ledger's state forbids.
        OutcomeMismatch: results that are not those of the actions, one by one.
        WrongToken: another token than that of genesis.
        AttributesRefused, KeyReused: a key that must not be used.
        RehearsalMixed: a rehearsal's plan in a real ledger, or the other way round.
    """
    if len(outcome.results) != len(plan.actions):
        raise OutcomeMismatch(f"results: {len(outcome.results)}, but the plan has {len(plan.actions)} actions")
    if state is None:
        return _found(plan, outcome, head, anchor)
    _require_same_kind(state, plan)
    _require_token(outcome, state.token_serial)
    book = KeyBook(state.tree, state.keys)
    for number, (action, result) in enumerate(zip(plan.actions, outcome.results, strict=True), start=1):
        _carry_out(book, number, action, result, state.identity_key_id)
    return replace(
        state,
        sequence=plan.sequence,
        head=head,
        keys=MappingProxyType(book.keys),
        current=MappingProxyType(book.current()),
    )


def _found(plan: Plan, outcome: Outcome, head: str, anchor: str) -> LedgerState:
    found, result = _founding(plan), outcome.results[0]
    if not isinstance(result, Founded):
        raise OutcomeMismatch("results: 1: genesis must result in the identity key")
    _require_token(outcome, found.token_serial)
    key_id = bytes.fromhex(result.key_id)
    _require_random(key_id)
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
        tree=tree_of(found),
        titles=MappingProxyType(titles_of(found)),
        keys=MappingProxyType({}),
        current=MappingProxyType({}),
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
        raise WrongToken(f"token: serial {outcome.token.serial!r}; genesis says {serial!r}")


def _carry_out(
    book: KeyBook, number: int, action: Action, result: ActionResult | None = None, identity_key_id: bytes = b""
) -> Effect:
    """One action on the book; with its result, when the plan has been carried out."""
    if isinstance(action, Found):
        raise IllegalAction(f"action {number}: found belongs to genesis only")
    try:
        if result is None:
            return book.carry_out(action)
        if isinstance(action, Generate):
            return _carry_out_generate(book, action, result, identity_key_id)
        return _carry_out_move(book, action, result)
    except LedgerError as error:
        raise type(error)(f"action {number}: {error.reason}", error.hint) from error


def _carry_out_generate(book: KeyBook, action: Generate, result: ActionResult, identity_key_id: bytes) -> Effect:
    if not isinstance(result, Generated) or result.generation != action.generation:
        raise OutcomeMismatch(f"generate {action.generation}: the outcome tells of something else")
    key_id, check_value = bytes.fromhex(result.key_id), bytes.fromhex(result.check_value)
    _require_random(key_id)
    if key_id == identity_key_id or any(key_id == known.key_id for known in book.keys.values()):
        raise KeyReused(f"{action.generation}: key_id {result.key_id} is taken already")
    if any(check_value == known.check_value for known in book.keys.values()):
        raise KeyReused(f"{action.generation}: check_value {result.check_value} is another key's: the same key twice")
    require_conversion_key(action.generation, result.attributes)
    return book.carry_out(action, key_id=key_id, check_value=check_value)


def _carry_out_move(book: KeyBook, action: KeyAction, result: ActionResult) -> Effect:
    effect = book.carry_out(action)
    if not isinstance(result, StateChanged) or result.generation != action.generation:
        raise OutcomeMismatch(f"{effect.action} {action.generation}: the outcome tells of something else")
    if result.state != effect.after:
        raise OutcomeMismatch(f"{effect.action} {action.generation}: the outcome says {result.state!r}")
    return effect


def _require_random(key_id: bytes) -> None:
    if len(set(key_id)) < _LEAST_DISTINCT_BYTES:
        raise KeyReused(f"key_id {key_id.hex()} is not random; a counter or a constant could come back")
