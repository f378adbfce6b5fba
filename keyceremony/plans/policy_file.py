"""``[policy.ROLE]`` and ``[keys]``: how a TOML file says who may convert what, and how keys are kept.

The same two tables stand in the set-up file of a genesis and in the file of a policy change. Strict: unknown keys
are refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations
from pathlib import Path
from typing import Annotated

import msgspec

from appliance.ledger.actions import DomainSpec
from appliance.ledger.policy import Days, KeyRules, Limit, Name, Policy, RoleRule
from keyceremony.errors import SetupRefused
from keyceremony.workspace import read

CRYPTOPERIOD_DAYS = 730


class RoleSetup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a role may do; ``among`` stands for every ordered pair of its domains. Unsaid limits are 0."""

    pairs: tuple[tuple[str, str], ...] = ()
    among: tuple[str, ...] = ()
    purposes: tuple[Name, ...] = ()
    values_per_request: Limit = 0
    values_per_stream: Limit = 0
    values_per_minute: Limit = 0


class KeysSetup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How keys are kept (`KeyRules`). ``cryptoperiod_days``: one number for all domains, or one for each by name."""

    backups: Annotated[int, msgspec.Meta(ge=0, le=16)] | None = None
    cryptoperiod_days: Days | dict[str, Days] | None = None
    drill_days: Days | None = None
    ratify_days: Days | None = None


class PolicyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file of a policy change; what it leaves out stays as it is."""

    policy: dict[Name, RoleSetup] | None = None
    keys: KeysSetup = KeysSetup()


def load(path: Path) -> PolicyFile:
    """The file of a policy change.

    Raises:
        SetupRefused: not TOML, or a key unknown or of the wrong kind.
    """
    try:
        return msgspec.toml.decode(read(path), type=PolicyFile)
    except (msgspec.MsgspecError, ValueError) as error:
        raise SetupRefused(f"{path}: {error}", "keyceremony plan policy --help shows such a file") from None


def changed(present: Policy, given: PolicyFile, domains: Iterable[DomainSpec]) -> Policy:
    """The policy after a change: roles are those of the file if it names any, key rules those it names."""
    roles = present.roles if given.policy is None else rules(given.policy)
    return Policy(roles=roles, keys=key_rules(given.keys, present.keys, domains))


def rules(given: dict[Name, RoleSetup]) -> dict[Name, RoleRule]:
    """The roles' rules, ``among`` spelt out."""
    return {role: _rule(rule) for role, rule in given.items()}


def key_rules(given: KeysSetup, present: KeyRules, domains: Iterable[DomainSpec]) -> KeyRules:
    """The key rules that a table asks for; what it leaves out is as in ``present``."""
    return KeyRules(
        backups=present.backups if given.backups is None else given.backups,
        cryptoperiod_days=_cryptoperiods(given, present, domains),
        drill_days=given.drill_days or present.drill_days,
        ratify_days=given.ratify_days or present.ratify_days,
    )


def first_key_rules(domains: Iterable[DomainSpec]) -> KeyRules:
    """What holds at a genesis that says nothing: every key is due for rotation after two years."""
    return KeyRules(cryptoperiod_days=_everywhere(CRYPTOPERIOD_DAYS, domains))


def _cryptoperiods(given: KeysSetup, present: KeyRules, domains: Iterable[DomainSpec]) -> dict[str, Days]:
    match given.cryptoperiod_days:
        case None:
            return present.cryptoperiod_days
        case int():
            return _everywhere(given.cryptoperiod_days, domains)
        case _:
            return given.cryptoperiod_days


def _everywhere(days: int, domains: Iterable[DomainSpec]) -> dict[str, Days]:
    """For every domain that has keys: all but the root."""
    return {domain.name: days for domain in domains if domain.parent is not None}


def _rule(rule: RoleSetup) -> RoleRule:
    return RoleRule(
        pairs=tuple(dict.fromkeys([*rule.pairs, *permutations(rule.among, 2)])),
        purposes=rule.purposes,
        values_per_request=rule.values_per_request,
        values_per_stream=rule.values_per_stream,
        values_per_minute=rule.values_per_minute,
    )
