"""A plan: what is to be done, in order, all or nothing. Its bytes are canonical JSON."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from appliance.ledger.actions import Action

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
