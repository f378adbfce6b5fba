"""The rotation of a domain's key: where it stands, and the actions of its next plan.

A rotation is four plans with the hub's work between: new keys (both generations convert), re-keying of every stored
number by the hub, then restrict, retire and destroy the older keys. An inner domain such as ``spin`` takes the
domains below it along, since their keys stand on its key. Where it stands is read from the keys; nothing is noted.
The keys ``log`` and ``tag`` rotate in the same four plans; nothing is re-keyed between them. Where there are clones,
the first plan becomes several: keys made, brought to each clone, activated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from appliance.ledger.actions import Action, Activate, Destroy, Generate, Restrict, Retire, UpdateClone
from appliance.ledger.book import Book
from appliance.ledger.fold import LedgerState
from appliance.ledger.keys import KeyBook, KeyRecord
from appliance.ledger.services import LOG, SERVICE, TAG
from appliance.ledger.state import CloneToken
from appliance.ledger.states import KeyState
from appliance.numbers.domains import Generation
from keyceremony.errors import DraftRefused
from keyceremony.plans import checklist, grammar
from keyceremony.plans.checklist import TITLES, Stage, Step, arrows

_WORKING = frozenset({KeyState.ACTIVE, KeyState.DECRYPT_ONLY, KeyState.SUSPENDED})
_USED = _WORKING | {KeyState.RETIRED}


@dataclass(frozen=True)
class Rotation:
    """Where a rotation stands. ``actions`` are those of its next plan; ``rekeyed``: the conversions the hub makes.

    ``number`` of ``plans``: the next plan's place.
    """

    domain: str
    stage: Stage
    actions: tuple[Action, ...]
    rekeyed: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]
    warnings: tuple[str, ...]
    number: int
    plans: int

    @property
    def title(self) -> str:
        """A title for the plan."""
        return f"Rotation of {self.domain}, plan {self.number} of {self.plans}: {TITLES[self.stage]}"


def rotation(state: LedgerState, domain: str, *, anew: bool = False) -> Rotation:
    """Where the rotation of a domain stands, and what its next plan does.

    ``anew`` begins another rotation though older keys are still there.

    Raises:
        DraftRefused: no such domain, no key to rotate, or a suspended key that must be decided about first.
    """
    book = Book(state)
    scope = _scope(book.keys, domain)
    renewal = _Renewal(book, scope, anew=anew)
    targets, making = renewal.targets(), tuple(renewal.actions)
    older = [key for name in scope for key in _used(book.keys, name) if key.generation != targets[name]]
    if not making:
        _require_none_suspended(domain, [*older, *(book.keys.keys[target] for target in targets.values())])
    stage, actions = _begin(state, domain, making) if making else _next(older)
    rekeyed = tuple(_rekeyed(state, older, targets))
    new, old = [str(targets[name]) for name in scope], [str(key.generation) for key in older]
    labels = [clone.label for clone in _clones(state, domain)]
    steps = checklist.steps(domain, stage, new, old, rekeyed, labels)
    warnings = tuple(_warnings(state, stage, older, rekeyed))
    number, plans = _place(stage, len(labels), _lacking(state, domain, making))
    return Rotation(domain, stage, actions, rekeyed, steps, warnings, number, plans)


class _Renewal:
    """Finds for every domain the generation that is to be current, and what makes it so."""

    def __init__(self, book: Book, scope: Sequence[str], *, anew: bool) -> None:
        self._book, self._scope = book, scope
        self._fresh = anew or len(_used(book.keys, scope[0])) == 1
        self._before = book.keys.current()
        self.actions: list[Action] = []

    def targets(self) -> dict[str, Generation]:
        found: dict[str, Generation] = {}
        for name in self._scope:
            above = "" if name in SERVICE else self._book.keys.tree[name].parent or ""
            found[name] = self._target(name, found.get(above, self._before.get(above)))
        self.actions.sort(key=lambda action: isinstance(action, Activate))  # stable: keys first, then their activation
        return found

    def _target(self, name: str, parent: Generation | None) -> Generation:
        keys = self._book.keys
        waiting = [key for key in _keys_of(keys, name) if key.state is KeyState.GENERATED and key.parent == parent]
        last = _used(keys, name)[-1]
        stays = not self._fresh if name == self._scope[0] else last.parent == parent
        if stays and not waiting and _lost_above(keys.keys, last) is None:
            return last.generation
        if not waiting:
            self._do(grammar.generate(name, self._book, parent=str(parent) if parent else None))
        target = waiting[-1].generation if waiting else Generation(name, grammar.newest(name, keys))
        self.actions.append(Activate(generation=str(target)))
        return target

    def _do(self, action: Generate) -> None:
        """Later keys must find their parent; a refusal comes when the plan is drafted."""
        self._book.keys.carry_out(action)
        self.actions.append(action)


def _clones(state: LedgerState, domain: str) -> list[CloneToken]:
    """The clones that must have the domain's keys; log keys are on none."""
    return [] if domain == LOG else [clone for _, clone in sorted(state.clones.items())]


def _lacking(state: LedgerState, domain: str, making: Sequence[Action]) -> dict[str, list[KeyRecord]]:
    """By clone, the keys that are made already, are to be activated, and are not on it yet."""
    made = [Generation.parse(action.generation) for action in making if isinstance(action, Activate)]
    waiting = [state.keys[generation] for generation in made if generation in state.keys]
    missing = {
        clone.serial: [key for key in waiting if clone.serial not in key.clones] for clone in _clones(state, domain)
    }
    return {serial: keys for serial, keys in missing.items() if keys}


def _begin(state: LedgerState, domain: str, making: Sequence[Action]) -> tuple[Stage, tuple[Action, ...]]:
    """The first plan; where there are clones, the next of the several that it becomes."""
    if not _clones(state, domain):
        return Stage.MAKE, tuple(making)
    if made := [action for action in making if isinstance(action, Generate)]:
        return Stage.MAKE, tuple(made)
    for serial, keys in _lacking(state, domain, making).items():
        return Stage.UPDATE, (UpdateClone(token_serial=serial, source=_source(state, serial, keys)),)
    return Stage.ACTIVATE, tuple(making)


def _source(state: LedgerState, serial: str, keys: Sequence[KeyRecord]) -> str:
    """A backup token that has all of the keys."""
    for source in sorted(state.backups):
        if all(source in key.copies for key in keys):
            return source
    names, label = ", ".join(str(key.generation) for key in keys), state.clones[serial].label
    raise DraftRefused(
        f"rotate: clone {label} must get {names} first, and no backup token has a copy of all of them",
        f"use several: keyceremony plan update-clone {label} --from LABEL; a key without any copy needs a successor",
    )


def _place(stage: Stage, clones: int, lacking: Mapping[str, object]) -> tuple[int, int]:
    """Which plan it is, of how many."""
    if not clones:
        return stage if stage is Stage.MAKE else stage - 2, len(Stage) - 2
    done = clones - len(lacking) if stage is Stage.UPDATE else 0
    more = clones - 1 if stage > Stage.UPDATE else done
    return stage + more, len(Stage) + clones - 1


def _scope(keys: KeyBook, domain: str) -> list[str]:
    """The domain and those below it that have working keys, parents before children."""
    if domain not in SERVICE and (domain not in keys.tree or keys.tree[domain].parent is None):
        names = ", ".join([*(one.name for one in keys.tree if one.parent), *SERVICE])
        raise DraftRefused(f"rotate {domain}: no domain with keys", f"domains: {names}")
    if not _used(keys, domain):
        raise DraftRefused(
            f"rotate {domain}: it has no key in use",
            f"make one: keyceremony plan keys 'generate {domain}'"
            f" 'activate {domain}.{grammar.newest(domain, keys) + 1}'",
        )
    found = [domain]
    for name in found:  # grows while it is walked through
        found += [one.name for one in keys.tree if one.parent == name and _is_working(keys, one.name)]
    return found


def _next(older: Sequence[KeyRecord]) -> tuple[Stage, tuple[Action, ...]]:
    """The earliest step that some older key has not made yet; children before their parents."""
    by_state = {state: [str(key.generation) for key in reversed(older) if key.state is state] for state in _USED}
    if by_state[KeyState.ACTIVE]:
        return Stage.RESTRICT, tuple(Restrict(generation=one) for one in by_state[KeyState.ACTIVE])
    if by_state[KeyState.DECRYPT_ONLY]:
        return Stage.RETIRE, tuple(Retire(generation=one) for one in by_state[KeyState.DECRYPT_ONLY])
    return Stage.DESTROY, tuple(Destroy(generation=one) for one in by_state[KeyState.RETIRED])


def _rekeyed(
    state: LedgerState, older: Sequence[KeyRecord], targets: dict[str, Generation]
) -> Iterator[tuple[str, str]]:
    """From which generation to which; numbers that nobody is given (an inner domain's) are stored nowhere."""
    for key in older:
        name = key.generation.domain
        if name in SERVICE:
            continue
        if key.state in _WORKING and not _is_invisible(state, name) and _lost_above(state.keys, key) is None:
            yield str(key.generation), str(targets[name])


def _lost_above(keys: Mapping[Generation, KeyRecord], key: KeyRecord) -> Generation | None:
    """A lost key on the way up, without which nothing is converted from this one or to it."""
    above = keys.get(key.parent) if key.parent else None
    if above is None or above.state is KeyState.LOST:
        return key.parent
    return _lost_above(keys, above)


def _is_invisible(state: LedgerState, name: str) -> bool:
    inner = any(domain.parent == name for domain in state.tree)
    return inner and not any(state.policy.grants_anyone(source.name, name) for source in state.tree)


def _require_none_suspended(domain: str, keys: Sequence[KeyRecord]) -> None:
    for key in keys:
        if key.state is KeyState.SUSPENDED:
            name = key.generation
            raise DraftRefused(
                f"rotate {domain}: {name} is suspended",
                f"decide about it first: keyceremony plan keys 'resume {name}', so that numbers can be re-keyed from"
                f" it, or 'retire {name}'",
            )


def _warnings(
    state: LedgerState, stage: Stage, older: Sequence[KeyRecord], rekeyed: Sequence[tuple[str, str]]
) -> Iterator[str]:
    for key in older:
        if key.state in _WORKING and (lost := _lost_above(state.keys, key)):
            yield (
                f"nothing can be re-keyed from {key.generation}: it stands on {lost}, which is lost;"
                " its numbers are made anew from the resident code"
            )
    if stage in (Stage.RESTRICT, Stage.RETIRE) and rekeyed:
        last = "; after this plan it cannot be done any more" if stage is Stage.RETIRE else ""
        yield f"make sure that the hub has re-keyed every number: {arrows(rekeyed)}{last}"
    if stage is Stage.RETIRE and any(key.generation.domain == TAG for key in older):
        yield "make sure that no history is owed any more of records that were tagged with the old key"
    for name in dict.fromkeys(Generation.parse(source).domain for source, _ in rekeyed):
        if not state.policy.grants_anyone(name, name):
            yield (
                f"no role may convert {name} to {name}, so nobody can re-key: give a role"
                f' the pair ["{name}", "{name}"] (keyceremony plan policy)'
            )


def _keys_of(keys: KeyBook, domain: str) -> list[KeyRecord]:
    return [key for generation, key in sorted(keys.keys.items()) if generation.domain == domain]


def _used(keys: KeyBook, domain: str) -> list[KeyRecord]:
    """The domain's keys that have been in use and are still there, oldest first."""
    return [key for key in _keys_of(keys, domain) if key.state in _USED]


def _is_working(keys: KeyBook, domain: str) -> bool:
    return any(key.state in _WORKING for key in _keys_of(keys, domain))
