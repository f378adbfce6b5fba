"""Keys and what actions do to them: the one place where a plan's steps meet the transition table.

`KeyBook` is a working copy of the keys. Drafting and showing a plan, the checks before the token
is touched, and the folding of the ledger all walk through it, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from appliance.ledger.actions import Activate, Destroy, Generate, KeyAction, Retire, action_name
from appliance.ledger.errors import IllegalAction
from appliance.ledger.services import LOG, SERVICE
from appliance.ledger.states import GONE, IllegalTransition, KeyState, next_state
from appliance.numbers.domains import DomainTree, Generation

_ENDED = GONE | {KeyState.RETIRED}


@dataclass(frozen=True)
class KeyRecord:
    """One key generation as the ledger has it. ``key_id``: CKA_ID, 16 bytes; ``check_value``: 6 bytes.

    ``activated`` counts activations over the whole ledger, from 1; 0: never activated. ``copies``: serial numbers
    of the backup tokens that have a copy; ``clones``: of the clones that have it. ``origin``: the entry that made the
    key. ``since``: when it came into its state. ``ratified``: of a suspended key, whether the ordinary quorum stands
    behind it. ``backed_up``: made so that trusted transport keys could wrap it until it was sealed. ``public_key``: of
    a log key, SubjectPublicKeyInfo (DER), and kept when the key is gone; empty of all others.
    """

    generation: Generation
    parent: Generation | None
    key_id: bytes
    check_value: bytes
    state: KeyState
    before_suspension: KeyState | None = None
    activated: int = 0
    activated_at: str = ""
    copies: frozenset[str] = frozenset()
    origin: int = 0
    since: str = ""
    ratified: bool = False
    backed_up: bool = False
    public_key: bytes = b""
    clones: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Made:
    """What a `Generate` resulted in: what the ledger keeps of the new key; nothing while it is only planned."""

    key_id: bytes = b""
    check_value: bytes = b""
    public_key: bytes = b""


PLANNED = Made()


@dataclass(frozen=True)
class Effect:
    """What one action of a plan does: to whom, from what to what, in words (None: nothing there)."""

    action: str
    subject: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Moment:
    """Where in the ledger, and when, an action is carried out: ``sequence`` 0 and no time while it is only planned."""

    sequence: int = 0
    at: str = ""


class KeyBook:
    """The keys of a ledger while a plan's actions are carried out on them, one by one.

    ``backups``: serial numbers of the backup tokens enrolled; ``required``: how many of them must have a copy
    of a key before it is activated. ``clones``: labels of the clones by serial number; each must have it then, too.
    """

    def __init__(
        self,
        tree: DomainTree,
        keys: Mapping[Generation, KeyRecord],
        *,
        backups: Iterable[str] = (),
        required: int = 0,
        clones: Mapping[str, str] | None = None,
        moment: Moment | None = None,
    ) -> None:
        self.tree = tree
        self.keys = dict(keys)
        self.backups = frozenset(backups)
        self.required = required
        self.clones = dict(clones or {})
        self.moment = moment or Moment()

    def current(self) -> dict[str, Generation]:
        """By domain, the latest activated generation that is active."""
        active = [record for record in self.keys.values() if record.state is KeyState.ACTIVE]
        return {r.generation.domain: r.generation for r in sorted(active, key=lambda record: record.activated)}

    def carry_out(self, action: Generate | KeyAction, made: Made = PLANNED) -> Effect:
        """Do one action; ``made``: what a `Generate` resulted in.

        Raises:
            IllegalAction: the transition table or a rule about generations forbids it.
        """
        generation = Generation.parse(action.generation)
        record = self.keys.get(generation)
        before = record.state if record else None
        after = self._next(action_name(action), generation, record)
        if isinstance(action, Generate):
            bare = KeyRecord(generation, None, made.key_id, made.check_value, after, public_key=made.public_key)
            record = self._new(generation, action, bare)
        elif record is not None:
            self._check_move(action, record)
            record = self._moved(record, action_name(action), after)
        else:  # the table lets only generate start from nothing
            raise IllegalAction(f"{generation}: no such key")
        self.keys[generation] = record
        return Effect(action_name(action), str(generation), before, after)

    def lose(self, generation: Generation) -> None:
        """A key is given up, gone with the token it was on; keys that stand on it stay as they are.

        A clone that has it keeps it, sealed and of no use, until the clone is removed.

        Raises:
            IllegalAction: there is no such key, it is gone already, or a backup token has a copy.
        """
        record = self.keys.get(generation)
        after = self._next("lose", generation, record)
        if record is None:  # the table lets only generate start from nothing
            raise IllegalAction(f"{generation}: no such key")
        if record.copies:
            holders = ", ".join(sorted(record.copies))
            raise IllegalAction(f"{generation} must not be given up: restore from a token that has it: {holders}")
        self.keys[generation] = self._moved(record, "lose", after)

    def _next(self, action: str, generation: Generation, record: KeyRecord | None) -> KeyState:
        try:
            return next_state(
                action,
                record.state if record else None,
                is_current=self.current().get(generation.domain) == generation,
                before_suspension=record.before_suspension if record else None,
            )
        except IllegalTransition as error:
            raise IllegalAction(f"{generation}: {error}") from error

    def _new(self, generation: Generation, action: Generate, bare: KeyRecord) -> KeyRecord:
        parent = self._check_new(generation, action.parent)
        if generation.domain == LOG and action.backups:
            raise IllegalAction(
                f"generate: {generation}: a log key is never copied, so that nobody else can sign; no backups"
            )
        for serial in action.backups:
            if serial not in self.backups:
                raise IllegalAction(f"generate: {generation}: token {serial} is no backup token of this ledger")
        moment = self.moment
        copies = frozenset(action.backups)
        return replace(
            bare, parent=parent, copies=copies, origin=moment.sequence, since=moment.at, backed_up=bool(copies)
        )

    def _check_move(self, action: KeyAction, record: KeyRecord) -> None:
        there, demanded = len(record.copies & self.backups), 0 if record.generation.domain == LOG else self.required
        if isinstance(action, Activate) and there < demanded:
            raise IllegalAction(
                f"activate: {record.generation}: the policy demands copies on {self.required} backup tokens;"
                f" it has {there}"
            )
        if isinstance(action, Activate):
            self._check_clones(record)
        if isinstance(action, Retire | Destroy):
            held = [str(g) for g, key in sorted(self.keys.items()) if self._stands_on(key, record)]
            if held:
                raise IllegalAction(f"{action_name(action)}: {record.generation}: {', '.join(held)} stand on it")

    def _check_clones(self, record: KeyRecord) -> None:
        """No clone is left behind: an engine on it could not convert with the current key."""
        without = [label for serial, label in sorted(self.clones.items()) if serial not in record.clones]
        if without and record.generation.domain != LOG:
            raise IllegalAction(
                f"activate: {record.generation}: not on clone {', '.join(without)} yet;"
                f" first: keyceremony plan update-clone {without[0]}"
            )

    def _stands_on(self, key: KeyRecord, parent: KeyRecord) -> bool:
        return key.parent == parent.generation and key.state not in _ENDED

    def _moved(self, record: KeyRecord, action: str, after: KeyState) -> KeyRecord:
        if action == "ratify":
            if record.ratified:
                raise IllegalAction(f"ratify: {record.generation}: its suspension is ratified already")
            return replace(record, ratified=True)
        activated, activated_at = record.activated, record.activated_at
        if action == "activate":
            activated = 1 + max(other.activated for other in self.keys.values())
            activated_at = self.moment.at
        return replace(
            record,
            state=after,
            before_suspension=record.state if after is KeyState.SUSPENDED else None,
            activated=activated,
            activated_at=activated_at,
            since=self.moment.at,
            ratified=False,
            copies=frozenset() if after in GONE else record.copies,
            clones=frozenset() if after is KeyState.DESTROYED else record.clones,
        )

    def _check_new(self, generation: Generation, parent: str | None) -> Generation | None:
        above = self._above(generation.domain)
        numbers = [known.number for known in self.keys if known.domain == generation.domain]
        expected = max(numbers, default=0) + 1
        if generation.number != expected:
            raise IllegalAction(f"generate: {generation}: the next generation is {generation.domain}.{expected}")
        return self._check_parent(generation, above, parent)

    def _above(self, name: str) -> str | None:
        """The domain whose keys a domain's keys stand on; None: service keys, which stand on nothing."""
        if name in SERVICE:
            return None
        if name not in self.tree:
            raise IllegalAction(f"generate: {name!r} is no domain of this ledger")
        if self.tree[name].parent is None:
            raise IllegalAction(f"generate: {name} is the root; it has no keys")
        return self.tree[name].parent

    def _check_parent(self, generation: Generation, parent_domain: str | None, text: str | None) -> Generation | None:
        if parent_domain is None:
            if text is not None:
                raise IllegalAction(f"generate: {generation}: it converts nothing and stands on no key; parent: null")
            return None
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
        if record is None or record.state in _ENDED:
            state = record.state.value if record else "not there"
            raise IllegalAction(f"generate: {generation}: its parent {parent} is {state}")
        return parent
