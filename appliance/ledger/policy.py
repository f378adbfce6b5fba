"""Who may convert what, as ledger content: per role the pairs, purposes and limits.

Default deny: what no rule names is refused. The daemon enforces a role's rule on that role's
socket; every engine refuses a pair that *no* role has.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,31}\Z")]
Limit = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class RoleRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one role may do. Pairs are (source domain, target domain); limits count values.

    ``values_per_stream`` 0 forbids the streamed form to the role.
    """

    pairs: tuple[tuple[str, str], ...]
    purposes: tuple[Name, ...]
    values_per_request: Limit
    values_per_stream: Limit
    values_per_minute: Limit


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules by role name; the role is the socket a request came in by."""

    roles: dict[Name, RoleRule]

    def grants_anyone(self, source: str, target: str) -> bool:
        """Whether any role at all has the pair (the engine's own check)."""
        return any((source, target) in rule.pairs for rule in self.roles.values())
