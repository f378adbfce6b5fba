"""Whether something that was recorded was allowed: by the ledger's policy and key states, and by its order."""

from __future__ import annotations

from collections.abc import Iterator

from appliance.ledger.order import Order, validity
from appliance.ledger.policy import RoleRule, needs_order
from appliance.ledger.services import TAG
from appliance.ledger.state import LedgerState
from appliance.ledger.states import READABLE, WRITABLE, KeyState
from appliance.ledger.text import render_instant
from appliance.numbers.domains import DomainError, Generation
from appliance.oversight.verify.facts import Terms, Use


def against_ledger(state: LedgerState, on: Terms, use: Use) -> str | None:
    """Why the ledger does not allow it, in words; None: it does."""
    rule = state.policy.roles.get(on.role)
    if rule is None:
        return f"the policy has no role {on.role!r}"
    if on.target is None:
        return None if domain_of(on.source) in rule.history else f"{on.role} may not look up by {on.source}"
    pair = (domain_of(on.source), domain_of(on.target))
    if pair not in rule.pairs:
        return f"{on.role} may not convert {pair[0]} to {pair[1]}"
    if on.purpose not in rule.purposes:
        return f"{on.role} may not convert for {on.purpose}"
    return _limits(state, rule, on, use) or _keys(state, on)


def _limits(state: LedgerState, rule: RoleRule, on: Terms, use: Use) -> str | None:
    if use.largest > rule.values_per_request:
        return f"{on.role} may convert {rule.values_per_request} numbers in a request; {use.largest} were"
    pair = (domain_of(on.source), domain_of(str(on.target)))
    if on.order is None and needs_order(state.policy, state.tree, rule, *pair, use.largest):
        return f"{on.role} needs a disclosure order to convert {pair[0]} to {pair[1]}, and none is recorded"
    return None


def _keys(state: LedgerState, on: Terms) -> str | None:
    """The generations were in a state that allows it."""
    wanted = [(on.source, READABLE), (str(on.target), WRITABLE)]
    if on.tag_key is not None:
        wanted.append((on.tag_key, WRITABLE))
        if domain_of(on.tag_key) != TAG:
            return f"{on.tag_key} is no key for subject tags"
    for name, allowed in wanted:
        if name == state.tree.root.name:
            continue
        found = _state(state, name)
        if found not in allowed:
            return f"{name} is {found or 'not in the ledger'}"
    return None


def _state(state: LedgerState, name: str) -> KeyState | None:
    try:
        key = state.keys.get(Generation.parse(name))
    except DomainError:
        return None
    return key.state if key else None


def against_order(order: Order, on: Terms, use: Use) -> Iterator[str]:
    """What of the order does not fit, in words."""
    asked = (domain_of(on.source), domain_of(str(on.target)), on.role, on.purpose)
    allowed = (order.source, order.target, order.role, order.purpose)
    for name, said, allows in zip(("source", "target", "role", "purpose"), asked, allowed, strict=True):
        if said != allows:
            yield f"is for the {name} {allows}; it was used for {said}"
    begins, ends = (render_instant(moment) for moment in validity(order))
    if use.first[:19] < begins[:19] or use.last[:19] > ends[:19]:
        yield f"is valid from {begins} until {ends}; it was used from {use.first} until {use.last}"


def domain_of(name: str) -> str:
    """``sspin.C`` of ``sspin.C.2``; anything that is no generation stays as it is."""
    try:
        return Generation.parse(name).domain
    except DomainError:
        return name
