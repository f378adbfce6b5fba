"""A small ledger of its own, written from the documents and not from the code: which actions may be, and what they do.

Sets and strings only. `LedgerModel.judge` says of one plan how it must be refused, or carries it out.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ledgerkit import LABELS, SERIAL

from appliance.ledger import actions as acts
from appliance.ledger.actions import Action
from appliance.ledger.roster import Roster

MOVES = {
    acts.Activate: ({"generated"}, "active"),
    acts.Restrict: ({"active"}, "decrypt-only"),
    acts.Suspend: ({"active", "decrypt-only"}, "suspended"),
    acts.Ratify: ({"suspended"}, "suspended"),
    acts.Resume: ({"suspended"}, ""),
    acts.Retire: ({"decrypt-only", "suspended"}, "retired"),
    acts.Destroy: ({"retired"}, "destroyed"),
}
GONE = {"destroyed", "lost"}
ENDED = {*GONE, "retired"}
ALONE = (
    acts.ChangeRoster,
    acts.EnrollBackup,
    acts.RemoveBackup,
    acts.Restore,
    acts.Drill,
    acts.EnrollClone,
    acts.UpdateClone,
    acts.RemoveClone,
)


class Illegal(Exception):
    """The action must be refused, with this kind of error."""


@dataclass
class Key:
    """One generation. ``order``: when it was activated, 0: never."""

    parent: str | None
    state: str = "generated"
    before: str = ""
    order: int = 0
    ratified: bool = False
    copies: set[str] = field(default_factory=set)
    clones: set[str] = field(default_factory=set)


def require(condition: object, kind: str = "IllegalAction") -> None:
    """Raises Illegal unless the condition holds."""
    if not condition:
        raise Illegal(kind)


def domain_of(generation: str) -> str:
    """``sspin.B`` of ``sspin.B.1``."""
    return generation.rpartition(".")[0]


@dataclass
class LedgerModel:
    """What a ledger must add up to."""

    parents: dict[str, str | None]
    roster: Roster
    policy: object
    token: str = SERIAL
    label: str = LABELS[SERIAL]
    copies_needed: int = 0
    keys: dict[str, Key] = field(default_factory=dict)
    backups: dict[str, str] = field(default_factory=dict)
    clones: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    logs_of: set[str] = field(default_factory=set)
    drilled: set[str] = field(default_factory=set)

    def judge(self, actions: Sequence[Action]) -> str | None:
        """Carry a plan out, all or nothing; the name of the error that refuses it, None if it is legal."""
        if len(actions) > 1 and any(isinstance(action, ALONE) for action in actions):
            return "MalformedPlan"
        tried = copy.deepcopy(self)
        try:
            for action in actions:
                tried.carry_out(action)
        except Illegal as illegal:
            return str(illegal)
        vars(self).update(vars(tried))
        return None

    def current(self) -> dict[str, str]:
        """By domain the generation that was activated last and is active."""
        active = [name for name, key in self.keys.items() if key.state == "active"]
        return {domain_of(name): name for name in sorted(active, key=lambda name: self.keys[name].order)}

    def live(self) -> dict[str, Key]:
        """The keys that are on the appliance's token."""
        return {name: key for name, key in self.keys.items() if key.state not in GONE}

    def carry_out(self, action: Action) -> None:
        """One action; raises Illegal."""
        match action:
            case acts.Generate():
                self._generate(action)
            case acts.ChangeRoster():
                require(action.roster != self.roster)
                self.roster = action.roster
            case acts.ChangePolicy():
                require(action.policy != self.policy)
                self.policy, self.copies_needed = action.policy, action.policy.keys.backups
            case acts.AddDomain():
                require(action.domain.name not in self.parents)
                self.parents[action.domain.name] = action.domain.parent
            case acts.EnrollBackup() | acts.RemoveBackup() | acts.Restore() | acts.Drill():
                self._token(action)
            case acts.EnrollClone() | acts.UpdateClone() | acts.RemoveClone():
                self._clone(action)
            case _:
                self._move(action)

    # --- keys -------------------------------------------------------------------------------------------------------

    def _generate(self, action: acts.Generate) -> None:
        name = action.generation
        domain = domain_of(name)
        service = domain in ("log", "tag")
        numbers = [int(known.rpartition(".")[2]) for known in self.keys if domain_of(known) == domain]
        require(service or self.parents.get(domain))
        require(int(name.rpartition(".")[2]) == max(numbers, default=0) + 1)
        above = None if service else self.parents[domain]
        if above is None or above == "resident":
            require(action.parent is None)
        else:
            require(action.parent and domain_of(action.parent) == above)
            require(str(action.parent) in self.keys and self.keys[str(action.parent)].state not in ENDED)
        require(not (domain == "log" and action.backups))
        require(set(action.backups) <= set(self.backups))
        self.keys[name] = Key(action.parent, copies=set(action.backups))

    def _move(self, action: Action) -> None:
        name = str(action.generation)  # type: ignore[union-attr]
        require(name in self.keys)
        key, (sources, target), log = self.keys[name], MOVES[type(action)], domain_of(name) == "log"  # type: ignore[index]
        require(key.state in sources)
        match action:
            case acts.Activate():
                require(log or len(key.copies) >= self.copies_needed)
                require(log or set(self.clones) <= key.clones)
                key.order = 1 + max(other.order for other in self.keys.values())
            case acts.Restrict():
                require(self.current().get(domain_of(name)) != name)
            case acts.Ratify():
                require(not key.ratified)
                key.ratified = True
                return
            case acts.Retire() | acts.Destroy():
                require(not [one for one in self.keys.values() if one.parent == name and one.state not in ENDED])
            case _:
                pass
        key.before, key.state, key.ratified = key.state if target == "suspended" else "", target or key.before, False
        if key.state == "destroyed":
            key.copies, key.clones = set(), set()

    # --- tokens -----------------------------------------------------------------------------------------------------

    def _require_free(self, serial: str) -> None:
        require(serial != self.token and serial not in self.backups and serial not in self.clones)

    def _token(self, action: acts.EnrollBackup | acts.RemoveBackup | acts.Restore | acts.Drill) -> None:
        match action:
            case acts.EnrollBackup():
                self._require_free(action.token_serial)
                require(action.copy_from is None or action.copy_from in self.backups)
                self.backups[action.token_serial] = action.token_label
                for key in self.live().values():
                    if action.copy_from in key.copies:
                        key.copies.add(action.token_serial)
            case acts.RemoveBackup():
                self._forget(action.token_serial)
            case acts.Restore():
                self._restore(action)
            case acts.Drill():
                self._require_free(action.token_serial)
                require(action.source in self.backups)
                require(any(action.source in key.copies for key in self.live().values()))
                self.drilled.add(action.source)

    def _forget(self, serial: str) -> None:
        require(serial in self.backups)
        del self.backups[serial]
        self.drilled.discard(serial)
        for key in self.keys.values():
            key.copies.discard(serial)

    def _restore(self, action: acts.Restore) -> None:
        self._require_free(action.token_serial)
        for serial in action.lost_backups:
            self._forget(serial)
        require(action.source in self.backups)
        for name in action.lost:
            require(name in self.live() and not self.keys[name].copies)
            self.keys[name].state, self.keys[name].before, self.keys[name].ratified = "lost", "", False
        require(all(action.source in key.copies for key in self.live().values()))
        self.token, self.label = action.token_serial, action.token_label

    # --- clones -----------------------------------------------------------------------------------------------------

    def _lacking(self, serial: str) -> list[Key]:
        live = self.live().items()
        return [key for name, key in live if domain_of(name) != "log" and serial not in key.clones]

    def _clone(self, action: acts.EnrollClone | acts.UpdateClone | acts.RemoveClone) -> None:
        serial = action.token_serial
        match action:
            case acts.EnrollClone():
                self._require_free(serial)
                require(action.source in self.backups)
                labels = [self.label, *self.backups.values(), *(label for label, _ in self.clones.values())]
                require(action.token_label not in labels)
                logs = [log for _, log in self.clones.values()]
                require(action.log_name is None or action.log_name not in ("main", *logs))
                missing = self._lacking(serial)
                require(missing and all(action.source in key.copies for key in missing))
                require(action.log_name is None or serial not in self.logs_of, "KeyReused")
                self.clones[serial] = (action.token_label, action.log_name)
                self.logs_of |= {serial} if action.log_name else set()
                _give(missing, serial)
            case acts.UpdateClone():
                require(serial in self.clones and action.source in self.backups)
                given = [key for key in self._lacking(serial) if action.source in key.copies]
                require(given)
                _give(given, serial)
            case acts.RemoveClone():
                require(serial in self.clones)
                del self.clones[serial]
                for key in self.keys.values():
                    key.clones.discard(serial)


def _give(keys: Iterable[Key], serial: str) -> None:
    for key in keys:
        key.clones.add(serial)
