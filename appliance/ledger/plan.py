"""A plan: what is to be done, in order, all or nothing. Its bytes are canonical JSON."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from appliance.ledger import canonical, genesis
from appliance.ledger.actions import Action, Found, Generate
from appliance.ledger.errors import MalformedPlan
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
    for number, action in enumerate(plan.actions, start=1):
        match action:
            case Found():
                genesis.validate(action)
            case Generate(generation=text, parent=parent):
                _require_generation(f"actions: {number}: generation", text)
                if parent is not None:
                    _require_generation(f"actions: {number}: parent", parent)
            case _:
                _require_generation(f"actions: {number}: generation", action.generation)


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


def _require_generation(field: str, text: str) -> None:
    try:
        Generation.parse(text)
    except DomainError as error:
        raise MalformedPlan(f"{field}: {error}") from error
