"""What a role may do under the ledger in force: its routes, purposes and limits. Default deny.

A snapshot is immutable and is replaced as a whole when the ledger is loaded again. A pair that the
role does not have and a domain that does not exist get the same answer, so nothing can be probed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from appliance.daemon.problems import Problem
from appliance.engine import routes
from appliance.ledger import policy as policies
from appliance.ledger import servicekeys
from appliance.ledger.fold import LedgerState
from appliance.ledger.policy import RoleRule
from appliance.numbers.domains import DomainError, Generation

_NOTHING = RoleRule(pairs=(), purposes=(), values_per_request=0, values_per_stream=0, values_per_minute=0)


class Route(NamedTuple):
    """A conversion that is allowed now; names of generations, or of the root, which has none."""

    source: str
    target: str


class RolePolicy:
    """One role under one ledger. A role that the policy does not name may do nothing.

    ``tag_key``: the generation that makes subject tags; without one no engine serves.
    """

    def __init__(self, role: str, state: LedgerState) -> None:
        self.role = role
        self.state = state
        self.rule = state.policy.roles.get(role, _NOTHING)
        self._pairs = frozenset(self.rule.pairs)
        self._purposes = frozenset(self.rule.purposes)
        self._routes: dict[tuple[str, str], Route] = {}
        self._domains: dict[Route, tuple[str, str]] = {}
        tag = servicekeys.current_tag(state)
        self.tag_key = None if tag is None else str(tag.generation)

    def route(self, source: str, target: str) -> Route:
        """From and to which generation a request converts; unnamed means the domain's current one.

        Raises:
            Problem: pair_denied, unknown_generation, generation_unusable.
        """
        known = self._routes.get((source, target))
        if known is not None:
            return known
        if (domain_of(source), domain_of(target)) not in self._pairs:
            raise Problem("pair_denied")
        found = Route(self._resolve(source, "source"), self._resolve(target, "target"))
        self._check_way(found)
        self._routes[source, target] = found
        return found

    def _resolve(self, name: str, field: str) -> str:
        try:
            generation = routes.resolve(self.state, name)
        except routes.UnknownGeneration as error:
            raise Problem("unknown_generation", f"{field}: {error.message}") from None
        except routes.GenerationUnusable as error:
            raise Problem("generation_unusable", f"{field}: {error.message}") from None
        return self.state.tree.root.name if generation is None else str(generation)

    def _check_way(self, found: Route) -> None:
        """All keys on the way can be read, and the target's can be written to."""
        ends = (routes.resolve(self.state, found.source), routes.resolve(self.state, found.target))
        try:
            routes.route(self.state, *ends)
        except (routes.GenerationUnusable, routes.UnknownGeneration) as error:
            raise Problem("generation_unusable", error.message) from None

    def needs_order(self, found: Route, count: int) -> bool:
        """Whether so many numbers at once may be converted only under a disclosure order."""
        if found not in self._domains:
            self._domains[found] = domain_of(found.source), domain_of(found.target)
        source, target = self._domains[found]
        return policies.needs_order(self.state.policy, self.state.tree, self.rule, source, target, count)

    def history_source(self, source: str) -> str:
        """The generation (or root) by whose number one person's conversions are asked for.

        Raises:
            Problem: pair_denied, unknown_generation, generation_unusable.
        """
        if domain_of(source) not in self.rule.history:
            raise Problem("pair_denied", "This role may not ask for a person's conversions by such a number.")
        found = self._resolve(source, "source")
        self._check_readable(found)
        return found

    def _check_readable(self, source: str) -> None:
        """All keys on the way up can be read."""
        try:
            routes.route(self.state, routes.resolve(self.state, source), None)
        except (routes.GenerationUnusable, routes.UnknownGeneration) as error:
            raise Problem("generation_unusable", error.message) from None

    def check_purpose(self, purpose: str) -> None:
        """Raises Problem purpose_denied unless the role has the purpose."""
        if purpose not in self._purposes:
            raise Problem("purpose_denied")

    @property
    def purposes(self) -> frozenset[str]:
        """What the role converts for."""
        return self._purposes


class Snapshot:
    """All roles under one verified ledger."""

    def __init__(self, state: LedgerState, roles: tuple[str, ...]) -> None:
        self.state = state
        self.roles: Mapping[str, RolePolicy] = {role: RolePolicy(role, state) for role in roles}

    def known_name(self, name: str) -> str | None:
        """The name if the ledger has it, else None: what a caller sends as a name might be anything."""
        if name in self.state.tree:
            return name
        try:
            return name if Generation.parse(name) in self.state.keys else None
        except DomainError:
            return None

    def known_purpose(self, purpose: str) -> str | None:
        """The purpose if any role has it, else None."""
        return purpose if any(purpose in rule.purposes for rule in self.state.policy.roles.values()) else None


def domain_of(name: str) -> str:
    """``sspin.C`` of ``sspin.C.2``; anything that is no generation stays as it is."""
    try:
        return Generation.parse(name).domain
    except DomainError:
        return name
