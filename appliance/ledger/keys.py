"""Keys and what actions do to them: the one place where a plan's steps meet the transition table.

`KeyBook` is a working copy of the keys. Drafting and showing a plan, the checks before the token
is touched, and the folding of the ledger all walk through it, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from appliance.ledger.actions import Generate, KeyAction, action_name
from appliance.ledger.errors import IllegalAction
from appliance.ledger.states import IllegalTransition, KeyState, next_state
from appliance.numbers.domains import DomainTree, Generation

_UNFIT_PARENTS = frozenset({KeyState.RETIRED, KeyState.DESTROYED})


@dataclass(frozen=True)
class KeyRecord:
    """One key generation as the ledger has it. ``key_id``: CKA_ID, 16 bytes; ``check_value``: 6 bytes.

    ``activated`` counts activations over the whole ledger, from 1; 0: never activated.
    """

    generation: Generation
    parent: Generation | None
    key_id: bytes
    check_value: bytes
    state: KeyState
    before_suspension: KeyState | None = None
    activated: int = 0


@dataclass(frozen=True)
class Effect:
    """What one action of a plan does: to whom, from which state to which (None: no key)."""

    action: str
    subject: str
    before: KeyState | None
    after: KeyState | None


class KeyBook:
    """The keys of a ledger while a plan's actions are carried out on them, one by one."""

    def __init__(self, tree: DomainTree, keys: Mapping[Generation, KeyRecord]) -> None:
        self.tree = tree
        self.keys = dict(keys)

    def current(self) -> dict[str, Generation]:
        """By domain, the latest activated generation that is active."""
        active = [record for record in self.keys.values() if record.state is KeyState.ACTIVE]
        return {r.generation.domain: r.generation for r in sorted(active, key=lambda record: record.activated)}

    def carry_out(self, action: Generate | KeyAction, *, key_id: bytes = b"", check_value: bytes = b"") -> Effect:
        """Do one action. The key's identifier and check value are those a `Generate` resulted in.

        Raises:
            IllegalAction: the transition table or a rule about generations forbids it.
        """
        generation = Generation.parse(action.generation)
        record = self.keys.get(generation)
        before = record.state if record else None
        try:
            after = next_state(
                action_name(action),
                before,
                is_current=self.current().get(generation.domain) == generation,
                before_suspension=record.before_suspension if record else None,
            )
        except IllegalTransition as error:
            raise IllegalAction(f"{generation}: {error}") from error
        if isinstance(action, Generate):
            parent = self._check_new(generation, action.parent)
            record = KeyRecord(generation, parent, key_id, check_value, after)
        elif record is not None:
            record = self._moved(record, action_name(action), after)
        else:  # the table lets only generate start from nothing
            raise IllegalAction(f"{generation}: no such key")
        self.keys[generation] = record
        return Effect(action_name(action), str(generation), before, after)

    def _moved(self, record: KeyRecord, action: str, after: KeyState) -> KeyRecord:
        activated = record.activated
        if action == "activate":
            activated = 1 + max(other.activated for other in self.keys.values())
        suspended = record.state if after is KeyState.SUSPENDED else None
        return replace(record, state=after, before_suspension=suspended, activated=activated)

    def _check_new(self, generation: Generation, parent: str | None) -> Generation | None:
        if generation.domain not in self.tree:
            raise IllegalAction(f"generate: {generation.domain!r} is no domain of this ledger")
        domain = self.tree[generation.domain]
        if domain.parent is None:
            raise IllegalAction(f"generate: {domain.name} is the root; it has no keys")
        numbers = [known.number for known in self.keys if known.domain == domain.name]
        expected = max(numbers, default=0) + 1
        if generation.number != expected:
            raise IllegalAction(f"generate: {generation}: the next generation is {domain.name}.{expected}")
        return self._check_parent(generation, domain.parent, parent)

    def _check_parent(self, generation: Generation, parent_domain: str, text: str | None) -> Generation | None:
        if self.tree[parent_domain].parent is None:
            if text is not None:
                raise IllegalAction(f"generate: {generation}: its parent {parent_domain} has no keys; parent: null")
            return None
        if text is None:
            raise IllegalAction(f"generate: {generation}: name the generation of {parent_domain} it stands on")
        parent = Generation.parse(text)
        if parent.domain != parent_domain:
            raise IllegalAction(f"generate: {generation}: its parent must be a generation of {parent_domain}")
        record = self.keys.get(parent)
        if record is None or record.state in _UNFIT_PARENTS:
            state = record.state.value if record else "not there"
            raise IllegalAction(f"generate: {generation}: its parent {parent} is {state}")
        return parent
