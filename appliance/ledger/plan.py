"""A plan: what is to be done, in order, all or nothing. Its bytes are canonical JSON."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from appliance.ledger import canonical, genesis
from appliance.ledger import roster as rosters
from appliance.ledger.actions import (
    ALONE,
    Action,
    AddDomain,
    ChangePolicy,
    ChangeRoster,
    Found,
    Generate,
    Restore,
    Retire,
    TokenAction,
    action_name,
)
from appliance.ledger.errors import MalformedPlan
from appliance.ledger.services import is_reserved
from appliance.ledger.text import parse_instant, require_line
from appliance.numbers.domains import DomainError, Generation

Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Instant = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")]
PLAN_TYPE = "kagimori/plan/v1"
NO_PREVIOUS = "0" * 64


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a quorum approves. ``sequence`` counts from 1 (genesis); ``previous`` is the head before it."""

    type: Literal["kagimori/plan/v1"]
    sequence: Annotated[int, msgspec.Meta(ge=1, le=999_999)]
    previous: Digest
    title: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    created: Instant
    expires: Instant
    rehearsal: bool
    actions: Annotated[tuple[Action, ...], msgspec.Meta(min_length=1, max_length=256)]


def parse(data: bytes) -> Plan:
    """A plan from its bytes, checked in itself (not against any ledger).

    Raises:
        NotCanonical: the bytes are not canonical JSON.
        MalformedPlan, RosterInvalid, DomainsInvalid, PolicyInvalid: what the plan says breaks a rule.
    """
    plan = canonical.decode(data, Plan, malformed=MalformedPlan)
    validate(plan)
    return plan


def validate(plan: Plan) -> None:
    """Check what types cannot say: times, text, genesis and names of generations.

    Raises:
        MalformedPlan, RosterInvalid, DomainsInvalid, PolicyInvalid: naming the field and the rule.
    """
    require_line("title", plan.title, malformed=MalformedPlan)
    created, expires = lifetime(plan)
    if expires <= created:
        raise MalformedPlan("expires: must be later than created")
    _require_genesis_alone(plan)
    _require_alone(plan)
    for number, action in enumerate(plan.actions, start=1):
        _validate_action(f"actions: {number}", action)


def lifetime(plan: Plan) -> tuple[datetime, datetime]:
    """When the plan was created and when it expires.

    Raises:
        MalformedPlan: not instants.
    """
    return (
        parse_instant("created", plan.created, malformed=MalformedPlan),
        parse_instant("expires", plan.expires, malformed=MalformedPlan),
    )


def digest(data: bytes) -> str:
    """SHA-256 of a plan's bytes, in lower-case hex; of genesis, the trust anchor."""
    return hashlib.sha256(data).hexdigest()


def _require_genesis_alone(plan: Plan) -> None:
    founds = sum(isinstance(action, Found) for action in plan.actions)
    if plan.sequence == 1:
        if founds != 1 or len(plan.actions) != 1:
            raise MalformedPlan("actions: genesis (sequence 1) has exactly one action, found")
        if plan.previous != NO_PREVIOUS:
            raise MalformedPlan("previous: genesis has nothing before it; 64 zeros")
    elif founds:
        raise MalformedPlan("actions: found belongs to genesis (sequence 1) only")


def _require_alone(plan: Plan) -> None:
    for action in plan.actions:
        if isinstance(action, ALONE) and len(plan.actions) > 1:
            raise MalformedPlan(f"actions: {action_name(action)} must be the only action of its plan")


def _validate_action(field: str, action: Action) -> None:
    """What an action says in itself; whether the ledger's state allows it, is decided when it is folded."""
    match action:
        case Found():
            genesis.validate(action)
        case ChangeRoster():
            rosters.validate(action.roster)
        case AddDomain():
            genesis.domain_of(action.domain)
        case ChangePolicy():
            pass  # pairs are checked against the domains of the ledger
        case _ if isinstance(action, TokenAction):
            _validate_tokens(field, action)
        case _:
            _require_generation(f"{field}: generation", action.generation)
            if isinstance(action, Generate):
                _validate_generate(field, action)
            if isinstance(action, Retire):
                _validate_census(field, action)


def _validate_tokens(field: str, action: TokenAction) -> None:
    for name in ("token_label", "token_serial", "source", "copy_from"):
        text = getattr(action, name, None)
        if text is not None:
            require_line(f"{field}: {name}", text, longest=32, malformed=MalformedPlan)
    if isinstance(action, Restore):
        _validate_lost(f"{field}: lost", action.lost)
        _validate_serials(f"{field}: lost_backups", action.lost_backups)


def _validate_lost(field: str, lost: tuple[str, ...]) -> None:
    for text in lost:
        _require_generation(field, text)
    if list(lost) != sorted(set(lost), key=Generation.parse):
        raise MalformedPlan(f"{field}: each generation once, in order")


def _validate_generate(field: str, action: Generate) -> None:
    if action.parent is not None:
        _require_generation(f"{field}: parent", action.parent)
    _validate_serials(f"{field}: backups", action.backups)


def _validate_census(field: str, action: Retire) -> None:
    """Numbers are counted, so only a key of numbers goes by a count of them."""
    if action.census is None:
        return
    if is_reserved(action.generation):
        raise MalformedPlan(f"{field}: census: no number is under {action.generation}, so there is nothing to count")
    if action.census.left > action.census.counted:
        raise MalformedPlan(f"{field}: census: left must not be more than counted")


def _validate_serials(field: str, serials: tuple[str, ...]) -> None:
    if list(serials) != sorted(set(serials)):
        raise MalformedPlan(f"{field}: each serial number once, in order")
    for serial in serials:
        require_line(field, serial, longest=16, malformed=MalformedPlan)


def _require_generation(field: str, text: str) -> None:
    try:
        Generation.parse(text)
    except DomainError as error:
        raise MalformedPlan(f"{field}: {error}") from error
