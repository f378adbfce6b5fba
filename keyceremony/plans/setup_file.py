"""The one file that describes a genesis: token, participants, thresholds, domains, policy. Strict TOML.

Only token and participants must be given. Domains default to the scheme's own tree with sectors A–F,
thresholds to `DEFAULT_THRESHOLDS`, the policy to nobody converting anything, and a key is due for rotation
after two years.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from appliance.ledger.actions import DomainSpec, FormatSpec, Found
from appliance.ledger.policy import DisclosureRules, LogRules, Name, Policy
from appliance.ledger.roster import DEFAULT_THRESHOLDS, Roster, Threshold, ThresholdClass
from appliance.numbers.domains import DEFAULT_SECTORS, Domain, default_domains
from keyceremony.errors import SetupRefused
from keyceremony.people import cards
from keyceremony.plans import policy_file
from keyceremony.plans.policy_file import DisclosureSetup, KeysSetup, RoleSetup
from keyceremony.workspace import read

_TITLES = {
    "resident": "住民票コード (resident code)",
    "common": "共通番号 (common number)",
    "spin": "国民ID (national ID, invisible)",
    **{f"sspin.{letter}": title for letter, title in DEFAULT_SECTORS.items()},
}


class TokenSetup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The appliance's token, by label and serial number."""

    label: str
    serial: str


class DomainSetup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A domain; the root has no ``parent``."""

    name: str
    title: str
    alphabet: str
    length: int
    parent: str | None = None
    check: str = "none"


class Setup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file. ``participants`` are paths of cards, from the file's own folder."""

    token: TokenSetup
    participants: tuple[str, ...]
    title: str = "Genesis"
    rehearsal: bool = False
    thresholds: dict[ThresholdClass, Threshold] = {}
    domains: tuple[DomainSetup, ...] = ()
    policy: dict[Name, RoleSetup] = {}
    keys: KeysSetup = KeysSetup()
    log: LogRules = LogRules()
    disclosure: DisclosureSetup = DisclosureSetup()


def load(path: Path) -> Setup:
    """The set-up file, unknown keys refused.

    Raises:
        SetupRefused: not TOML, or a key unknown, missing or of the wrong kind.
    """
    try:
        return msgspec.toml.decode(read(path), type=Setup)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise SetupRefused(f"{path}: {error}", "docs/ceremony-guide.md shows a whole set-up file") from None


def found(path: Path, setup: Setup) -> Found:
    """The genesis action that a set-up file asks for; its rules are checked with the plan.

    Raises:
        CardRefused: a participant card does not hold.
    """
    domains = _domains(setup)
    return Found(
        token_label=setup.token.label,
        token_serial=setup.token.serial,
        roster=Roster(
            people=tuple(cards.load(path.parent / card) for card in setup.participants),
            thresholds={**DEFAULT_THRESHOLDS, **setup.thresholds},
        ),
        domains=domains,
        policy=Policy(
            roles=policy_file.rules(setup.policy),
            keys=policy_file.key_rules(setup.keys, policy_file.first_key_rules(domains), domains),
            log=setup.log,
            disclosure=policy_file.disclosure_rules(setup.disclosure, DisclosureRules()),
        ),
    )


def default_specs() -> tuple[DomainSpec, ...]:
    """The scheme's own tree as plan content."""
    return tuple(spec(domain, _TITLES[domain.name]) for domain in default_domains())


def spec(domain: Domain, title: str) -> DomainSpec:
    """A domain as plan content."""
    form = FormatSpec(alphabet=domain.format.alphabet, length=domain.format.length, check=domain.format.check)
    return DomainSpec(name=domain.name, title=title, parent=domain.parent, format=form)


def _domains(setup: Setup) -> tuple[DomainSpec, ...]:
    if not setup.domains:
        return default_specs()
    return tuple(
        DomainSpec(
            name=given.name,
            title=given.title,
            parent=given.parent,
            format=FormatSpec(alphabet=given.alphabet, length=given.length, check=given.check),
        )
        for given in setup.domains
    )
