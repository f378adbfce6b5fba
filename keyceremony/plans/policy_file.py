"""``[policy.ROLE]``, ``[keys]``, ``[log]``, ``[disclosure]``: how TOML says who may do what, and under whose eyes.

The same tables stand in the set-up file of a genesis and in the file of a policy change. Strict: unknown keys
are refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations
from pathlib import Path
from typing import Annotated

import msgspec

from appliance.ledger.actions import DomainSpec
from appliance.ledger.policy import (
    Days,
    DisclosureRules,
    Head,
    KeyRules,
    Limit,
    LogRules,
    Name,
    Policy,
    RoleRule,
)
from appliance.ledger.services import SERVICE
from keyceremony.errors import SetupRefused
from keyceremony.workspace import read

CRYPTOPERIOD_DAYS = 730


class RoleSetup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a role may do (`RoleRule`); ``among`` stands for every ordered pair of its domains.

    Unsaid limits are 0; an unsaid quota, or an unsaid ``values_without_order``, is none.
    """

    pairs: tuple[tuple[str, str], ...] = ()
    among: tuple[str, ...] = ()
    purposes: tuple[Name, ...] = ()
    values_per_request: Limit = 0
    values_per_stream: Limit = 0
    values_per_minute: Limit = 0
    history: tuple[str, ...] = ()
    log: bool = False
    values_per_day: Limit | None = None
    purpose_values_per_day: dict[Name, Limit] = {}
    values_without_order: Limit | None = None


class KeysSetup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How keys are kept (`KeyRules`). ``cryptoperiod_days``: one number for all keys, or one for each by name."""

    backups: Annotated[int, msgspec.Meta(ge=0, le=16)] | None = None
    cryptoperiod_days: Days | dict[str, Days] | None = None
    drill_days: Days | None = None
    ratify_days: Days | None = None


class DisclosureSetup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who must sign an order, and how long it may be valid (`DisclosureRules`)."""

    officers: Head | None = None
    oversight: Head | None = None
    longest_days: Days | None = None


class PolicyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file of a policy change; what it leaves out stays as it is. ``log``, if there, is the whole of it."""

    policy: dict[Name, RoleSetup] | None = None
    keys: KeysSetup = KeysSetup()
    log: LogRules | None = None
    disclosure: DisclosureSetup = DisclosureSetup()


def load(path: Path) -> PolicyFile:
    """The file of a policy change.

    Raises:
        SetupRefused: not TOML, or a key unknown or of the wrong kind.
    """
    try:
        return msgspec.toml.decode(read(path), type=PolicyFile)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise SetupRefused(f"{path}: {error}", "keyceremony plan policy --help shows such a file") from None


def changed(present: Policy, given: PolicyFile, domains: Iterable[DomainSpec]) -> Policy:
    """The policy after a change: roles are those of the file if it names any, other rules those it names."""
    return Policy(
        roles=present.roles if given.policy is None else rules(given.policy),
        keys=key_rules(given.keys, present.keys, domains),
        log=present.log if given.log is None else given.log,
        disclosure=disclosure_rules(given.disclosure, present.disclosure),
    )


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


def disclosure_rules(given: DisclosureSetup, present: DisclosureRules) -> DisclosureRules:
    """The rules about orders that a table asks for; what it leaves out is as in ``present``."""
    return DisclosureRules(
        officers=present.officers if given.officers is None else given.officers,
        oversight=present.oversight if given.oversight is None else given.oversight,
        longest_days=given.longest_days or present.longest_days,
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
    """For every domain that has keys (all but the root), and for the keys that convert nothing."""
    return dict.fromkeys([*(domain.name for domain in domains if domain.parent is not None), *SERVICE], days)


def _rule(rule: RoleSetup) -> RoleRule:
    return RoleRule(
        pairs=tuple(dict.fromkeys([*rule.pairs, *permutations(rule.among, 2)])),
        purposes=rule.purposes,
        values_per_request=rule.values_per_request,
        values_per_stream=rule.values_per_stream,
        values_per_minute=rule.values_per_minute,
        history=rule.history,
        log=rule.log,
        values_per_day=rule.values_per_day,
        purpose_values_per_day=rule.purpose_values_per_day,
        values_without_order=rule.values_without_order,
    )
