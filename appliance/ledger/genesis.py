"""What genesis founds: the roster, the tree of domains and the policy, checked before anybody signs."""

from __future__ import annotations

from collections import Counter

from appliance.ledger import policy as policies
from appliance.ledger import roster as rosters
from appliance.ledger.actions import DomainSpec, Found
from appliance.ledger.errors import DomainsInvalid, Malformed, MalformedPlan
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
    policies.validate(found.policy, tree_of(found))


def tree_of(found: Found) -> DomainTree:
    """The tree of the domains founded.

    Raises:
        DomainsInvalid: a domain, or the tree, that cannot be.
    """
    if len(found.domains) > MAXIMUM_DOMAINS:
        raise DomainsInvalid(f"domains: {len(found.domains)}; at most {MAXIMUM_DOMAINS}")
    try:
        tree = DomainTree([_domain(spec) for spec in found.domains])
    except DomainError as error:
        raise DomainsInvalid(f"domains: {error}") from error
    if tree.root.name != ROOT:
        raise DomainsInvalid(f"domains: the root is {tree.root.name}; it must be {ROOT}")
    _require_whole_numbers(tree)
    return tree


def titles_of(found: Found) -> dict[str, str]:
    """The domains' titles by name."""
    return {spec.name: spec.title for spec in found.domains}


def _domain(spec: DomainSpec) -> Domain:
    try:
        require_line(f"domains: {spec.name}: title", spec.title)
        shape = Format(spec.format.alphabet, spec.format.length, spec.format.check)
        return Domain(spec.name, shape, spec.parent)
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
