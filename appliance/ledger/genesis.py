"""What genesis founds: the roster, the tree of domains and the policy, checked before anybody signs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from appliance.ledger import policy as policies
from appliance.ledger import roster as rosters
from appliance.ledger.actions import DomainSpec, Found
from appliance.ledger.errors import DomainsInvalid, Malformed, MalformedPlan
from appliance.ledger.services import SERVICE, is_reserved
from appliance.ledger.text import require_line
from appliance.numbers.domains import Domain, DomainError, DomainTree
from appliance.numbers.formats import Format, FormatError

ROOT = "resident"
MAXIMUM_DOMAINS = 200
# Engines carry numbers of these domains as one integer in 64-bit lanes.
_WHOLE_NUMBER_LIMIT = 2**63


def validate(found: Found) -> None:
    """Check everything that genesis lays down.

    Raises:
        MalformedPlan, RosterInvalid, DomainsInvalid, PolicyInvalid: naming the field and the rule.
    """
    require_line("token_label", found.token_label, longest=32, malformed=MalformedPlan)
    require_line("token_serial", found.token_serial, longest=16, malformed=MalformedPlan)
    rosters.validate(found.roster)
    policies.validate(found.policy, tree_of(found.domains))
    policies.require_reachable(found.policy, found.roster)


def tree_of(domains: Sequence[DomainSpec]) -> DomainTree:
    """The tree of the domains.

    Raises:
        DomainsInvalid: a domain, or the tree, that cannot be.
    """
    if len(domains) > MAXIMUM_DOMAINS:
        raise DomainsInvalid(f"domains: {len(domains)}; at most {MAXIMUM_DOMAINS}")
    try:
        tree = DomainTree([domain_of(spec) for spec in domains])
    except DomainError as error:
        raise DomainsInvalid(f"domains: {error}") from error
    if tree.root.name != ROOT:
        raise DomainsInvalid(f"domains: the root is {tree.root.name}; it must be {ROOT}")
    _require_whole_numbers(tree)
    return tree


def titles_of(domains: Sequence[DomainSpec]) -> dict[str, str]:
    """The domains' titles by name."""
    return {spec.name: spec.title for spec in domains}


def domain_of(spec: DomainSpec) -> Domain:
    """A domain as the tree has it.

    Raises:
        DomainsInvalid: a name, title or format that cannot be.
    """
    if is_reserved(spec.name):
        names = " and ".join(SERVICE)
        raise DomainsInvalid(
            f"domains: {spec.name}: the names {names} are kept for keys that convert nothing; take another name"
        )
    try:
        require_line(f"domains: {spec.name}: title", spec.title)
        shape = Format(spec.format.alphabet, spec.format.length, spec.format.check)
        return Domain(spec.name, shape, spec.parent)
    except DomainError as error:
        raise DomainsInvalid(f"domains: {error}") from error
    except FormatError as error:
        raise DomainsInvalid(f"domains: {spec.name}: format: {error}") from error
    except Malformed as error:
        raise DomainsInvalid(error.reason) from error


def _require_whole_numbers(tree: DomainTree) -> None:
    children = Counter(domain.parent for domain in tree)
    for domain in tree:
        inner = domain.parent is None or domain.name == "spin" or children[domain.name]
        if inner and domain.format.size >= _WHOLE_NUMBER_LIMIT:
            raise DomainsInvalid(f"domains: {domain.name}: its format has 2**63 numbers or more; only a leaf may")
