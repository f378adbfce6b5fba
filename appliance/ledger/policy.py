"""Who may convert what, under whose eyes, and how keys are kept, as ledger content.

Per role the pairs, purposes, limits and quotas. Default deny: what no rule names is refused. The daemon enforces
a role's rule on that role's socket; every engine refuses a pair that *no* role has, and a disclosure without an order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

import msgspec

from appliance.ledger import witnesses
from appliance.ledger.errors import PolicyInvalid
from appliance.ledger.roster import MAXIMUM_PEOPLE, Roster, head_count
from appliance.ledger.services import SERVICE
from appliance.numbers.domains import DomainTree

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,31}\Z")]
Days = Annotated[int, msgspec.Meta(ge=1, le=36_500)]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=366 * 86_400)]
Head = Annotated[int, msgspec.Meta(ge=0, le=MAXIMUM_PEOPLE)]
Limit = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class RoleRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one role may do. Pairs are (source domain, target domain); limits and quotas count numbers.

    ``values_per_stream`` 0 forbids the streamed form to the role. ``history``: domains by whose number it may ask for
    one person's conversions. ``log``: it may read the log and hand in cosignatures. ``values_per_day`` and
    ``purpose_values_per_day``: quotas of a day, of the role and of one purpose; None or not named: no quota.
    ``values_without_order``: more numbers in one request or stream need a disclosure order; None: no number does.
    """

    pairs: tuple[tuple[str, str], ...]
    purposes: tuple[Name, ...]
    values_per_request: Limit
    values_per_stream: Limit
    values_per_minute: Limit
    history: tuple[str, ...] = ()
    log: bool = False
    values_per_day: Limit | None = None
    purpose_values_per_day: dict[Name, Limit] = {}
    values_without_order: Limit | None = None


class KeyRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How keys are kept.

    ``backups``: on how many backup tokens a key must have a copy before `activate`. ``cryptoperiod_days``: by
    domain (or service key), how long after its activation a current key is due for rotation (SP 800-57 part 1,
    section 5.3). ``drill_days``: how old the last drill may be. ``ratify_days``: how long a suspension may stay
    unratified.
    """

    backups: Annotated[int, msgspec.Meta(ge=0, le=16)] = 0
    cryptoperiod_days: dict[str, Days] = {}
    drill_days: Days = 365
    ratify_days: Days = 3


class LogRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who watches the log. ``witnesses``: verifier keys (C2SP signed-note, cosignature types 0x04 and 0x06).

    How long each of these keys may have given no cosignature before the daemon warns, and before it refuses to convert;
    None: no demand. It never refuses without having warned.
    """

    witnesses: tuple[str, ...] = ()
    warn_seconds: Seconds | None = None
    refuse_seconds: Seconds | None = None


class DisclosureRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who must sign a disclosure order, and how many days it may be valid."""

    officers: Head = 0
    oversight: Head = 1
    longest_days: Days = 366


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules by role name (the role is the socket a request came in by), about keys, the log and disclosure."""

    roles: dict[Name, RoleRule]
    keys: KeyRules = KeyRules()
    log: LogRules = LogRules()
    disclosure: DisclosureRules = DisclosureRules()

    def grants_anyone(self, source: str, target: str) -> bool:
        """Whether any role at all has the pair (the engine's own check)."""
        return any((source, target) in rule.pairs for rule in self.roles.values())

    def history_for_anyone(self, source: str) -> bool:
        """Whether any role at all may ask by a number of that domain (the engine's own check)."""
        return any(source in rule.history for rule in self.roles.values())


@lru_cache(16)
def disclosing(tree: DomainTree) -> frozenset[str]:
    """Domains whose numbers lead to a person's others: the root, and those that others stand under."""
    return frozenset({tree.root.name, *(domain.parent for domain in tree if domain.parent is not None)})


def discloses(tree: DomainTree, target: str) -> bool:
    """Whether a number of that domain leads to a person's others."""
    return target in disclosing(tree)


def needs_order(policy: Policy, tree: DomainTree, rule: RoleRule | None, source: str, target: str, count: int) -> bool:
    """Whether so many numbers, in one request or in a stream so far, need a disclosure order.

    ``source`` and ``target`` are domains; ``rule`` is that of the role that asks. None: whoever asks (an engine does
    not know), so an order is needed if every role that has the pair would need one.
    """
    if discloses(tree, target):
        return True
    asking = [rule] if rule is not None else [one for one in policy.roles.values() if (source, target) in one.pairs]
    return all(one.values_without_order is not None and count > one.values_without_order for one in asking)


def validate(policy: Policy, tree: DomainTree) -> None:
    """Check every rule against the domains there are.

    A pair of a domain with itself is allowed: re-keying converts from one generation to
    another. The root has no key, so it cannot be paired with itself.

    Raises:
        PolicyInvalid: naming the role and what is wrong with its rule.
    """
    for name in policy.keys.cryptoperiod_days:
        if name not in SERVICE and (name not in tree or name == tree.root.name):
            raise PolicyInvalid(f"policy: keys: cryptoperiod_days: {name!r} is no domain of this ledger that has keys")
    for role, rule in policy.roles.items():
        _validate_pairs(role, rule, tree)
        _validate_history(role, rule, tree)
        _require_once(f"{role}: a purpose", rule.purposes)
        if rule.pairs:
            _validate_limits(role, rule)
            _validate_quotas(role, rule)
        else:
            _validate_without_pairs(role, rule)
    _validate_log(policy.log)
    if policy.disclosure.oversight < 1:
        raise PolicyInvalid("policy: disclosure: oversight must be at least 1; no order goes past the oversight body")


def require_reachable(policy: Policy, roster: Roster) -> None:
    """An order can be signed at all: the roster has as many people as the policy asks for.

    Raises:
        PolicyInvalid: naming the role of which there are too few.
    """
    rules = policy.disclosure
    for needed, there, what in (
        (rules.officers, head_count(roster, "officer"), "officer"),
        (rules.oversight, head_count(roster, "oversight"), "oversight"),
    ):
        if needed > there:
            raise PolicyInvalid(f"policy: disclosure: {needed} {what} signatures, but the roster has {there}")


def _require_once(what: str, listed: tuple[object, ...]) -> None:
    if len(set(listed)) != len(listed):
        raise PolicyInvalid(f"policy: {what} is listed twice")


def _validate_pairs(role: str, rule: RoleRule, tree: DomainTree) -> None:
    _require_once(f"{role}: a pair", rule.pairs)
    for source, target in rule.pairs:
        for name in (source, target):
            if name not in tree:
                raise PolicyInvalid(f"policy: {role}: {name!r} is no domain of this ledger")
        if source == target == tree.root.name:
            raise PolicyInvalid(f"policy: {role}: {source} to itself converts nothing")


def _validate_history(role: str, rule: RoleRule, tree: DomainTree) -> None:
    _require_once(f"{role}: history: a domain", rule.history)
    for name in rule.history:
        if name not in tree:
            raise PolicyInvalid(f"policy: {role}: history: {name!r} is no domain of this ledger")
    if rule.history and rule.values_per_minute < 1:
        raise PolicyInvalid(f"policy: {role}: history: values_per_minute must be at least 1; a look-up counts as one")


def _validate_limits(role: str, rule: RoleRule) -> None:
    if not rule.purposes:
        raise PolicyInvalid(f"policy: {role}: no purposes; nobody could say what for")
    if rule.values_per_request < 1:
        raise PolicyInvalid(f"policy: {role}: values_per_request must be at least 1")
    if rule.values_per_minute < rule.values_per_request:
        raise PolicyInvalid(f"policy: {role}: values_per_minute is less than values_per_request")


def _validate_quotas(role: str, rule: RoleRule) -> None:
    day = rule.values_per_day
    if day is not None and day < rule.values_per_request:
        raise PolicyInvalid(f"policy: {role}: values_per_day is less than values_per_request")
    for purpose, quota in rule.purpose_values_per_day.items():
        field = f"policy: {role}: purpose_values_per_day: {purpose}"
        if purpose not in rule.purposes:
            raise PolicyInvalid(f"{field}: is no purpose of this role")
        if quota < 1:
            raise PolicyInvalid(f"{field}: must be at least 1; take the purpose away instead")
        if day is not None and quota > day:
            raise PolicyInvalid(f"{field}: is more than values_per_day, so it would never count")


def _validate_without_pairs(role: str, rule: RoleRule) -> None:
    """Such a role reads: the log, a history (whose look-ups values_per_minute limits), or nothing at all."""
    limits = rule.values_per_request or rule.values_per_stream or (rule.values_per_minute and not rule.history)
    if rule.purposes or limits:
        but = " but values_per_minute" if rule.history else ""
        raise PolicyInvalid(f"policy: {role}: no pairs, so it must have no purposes and all limits 0{but}")
    if rule.values_per_day is not None or rule.purpose_values_per_day or rule.values_without_order is not None:
        raise PolicyInvalid(f"policy: {role}: no pairs, so it must have no quotas and no values_without_order")


def _validate_log(rules: LogRules) -> None:
    witnesses.keys(rules.witnesses)
    warn, refuse = rules.warn_seconds, rules.refuse_seconds
    if (warn is not None or refuse is not None) and not rules.witnesses:
        raise PolicyInvalid("policy: log: cosignatures are demanded, but there is no witness to give them")
    if refuse is not None and (warn is None or refuse <= warn):
        raise PolicyInvalid("policy: log: refuse_seconds needs warn_seconds, and must be more")
