"""Who may convert what, and how keys are kept, as ledger content.

Per role the pairs, purposes and limits. Default deny: what no rule names is refused. The daemon enforces
a role's rule on that role's socket; every engine refuses a pair that *no* role has.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from appliance.ledger.errors import PolicyInvalid
from appliance.numbers.domains import DomainTree

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,31}\Z")]
Days = Annotated[int, msgspec.Meta(ge=1, le=36_500)]
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


class KeyRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How keys are kept.

    ``backups``: on how many backup tokens a key must have a copy before `activate`. ``cryptoperiod_days``: by
    domain, how long after its activation a current key is due for rotation (SP 800-57 part 1, section 5.3).
    ``drill_days``: how old the last drill may be. ``ratify_days``: how long a suspension may stay unratified.
    """

    backups: Annotated[int, msgspec.Meta(ge=0, le=16)] = 0
    cryptoperiod_days: dict[str, Days] = {}
    drill_days: Days = 365
    ratify_days: Days = 3


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules by role name (the role is the socket a request came in by), and the rules about keys."""

    roles: dict[Name, RoleRule]
    keys: KeyRules = KeyRules()

    def grants_anyone(self, source: str, target: str) -> bool:
        """Whether any role at all has the pair (the engine's own check)."""
        return any((source, target) in rule.pairs for rule in self.roles.values())


def validate(policy: Policy, tree: DomainTree) -> None:
    """Check every rule against the domains there are.

    A pair of a domain with itself is allowed: re-keying converts from one generation to
    another. The root has no key, so it cannot be paired with itself.

    Raises:
        PolicyInvalid: naming the role and what is wrong with its rule.
    """
    for name in policy.keys.cryptoperiod_days:
        if name not in tree or name == tree.root.name:
            raise PolicyInvalid(f"policy: keys: cryptoperiod_days: {name!r} is no domain of this ledger that has keys")
    for role, rule in policy.roles.items():
        _validate_pairs(role, rule, tree)
        if len(set(rule.purposes)) != len(rule.purposes):
            raise PolicyInvalid(f"policy: {role}: a purpose is listed twice")
        if rule.pairs:
            _validate_limits(role, rule)
        elif rule.purposes or rule.values_per_request or rule.values_per_stream or rule.values_per_minute:
            raise PolicyInvalid(f"policy: {role}: no pairs, so it must have no purposes and all limits 0")


def _validate_pairs(role: str, rule: RoleRule, tree: DomainTree) -> None:
    if len(set(rule.pairs)) != len(rule.pairs):
        raise PolicyInvalid(f"policy: {role}: a pair is listed twice")
    for source, target in rule.pairs:
        for name in (source, target):
            if name not in tree:
                raise PolicyInvalid(f"policy: {role}: {name!r} is no domain of this ledger")
        if source == target == tree.root.name:
            raise PolicyInvalid(f"policy: {role}: {source} to itself converts nothing")


def _validate_limits(role: str, rule: RoleRule) -> None:
    if not rule.purposes:
        raise PolicyInvalid(f"policy: {role}: no purposes; nobody could say what for")
    if rule.values_per_request < 1:
        raise PolicyInvalid(f"policy: {role}: values_per_request must be at least 1")
    if rule.values_per_minute < rule.values_per_request:
        raise PolicyInvalid(f"policy: {role}: values_per_minute is less than values_per_request")
