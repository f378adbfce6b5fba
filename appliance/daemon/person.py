"""What questions about one person have in common: whose number it is, verified, and the tags that their records carry.

The engine verifies the number and makes the tags of it; the daemon never sees whose they are.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from appliance.daemon.policy import RolePolicy
from appliance.daemon.problems import Problem
from appliance.daemon.requests import LONGEST_REFERENCE, Name, to_lines
from appliance.daemon.service import Service

LARGEST_BODY = 4_096
FIELDS = ("source", "number", "reference")
_STATUS = {1: "malformed_number", 2: "unknown_number"}


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The person, by a number of theirs, and the caller's own note for the audit record."""

    source: Name
    number: str
    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_REFERENCE)]


async def tags_of(service: Service, policy: RolePolicy, asked: About, due: float) -> tuple[str, tuple[bytes, ...]]:
    """The generation that the number was read with, and the person's tags, 16 bytes each.

    What no engine has begun when it is ``due`` (the event loop's time) is dropped.

    Raises:
        Problem: pair_denied, unknown_generation, malformed_number, unknown_number and what keeps engines from it.
    """
    source = policy.history_source(asked.source)
    asking = service.lanes.tag(source, to_lines((asked.number,)), due)
    service.deadlines.watch(asking)
    tagged = await asking
    if tagged.status:
        raise Problem(_STATUS[tagged.status])
    return source, tagged.tags
