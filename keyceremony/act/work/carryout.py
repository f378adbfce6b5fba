"""All actions of a plan on the tokens, in two passes: first what can be undone, then what destroys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from appliance.ledger.actions import (
    Action,
    AddDomain,
    ChangePolicy,
    ChangeRoster,
    CloneAction,
    Destroy,
    Drill,
    EnrollBackup,
    EnrollClone,
    Found,
    Generate,
    RemoveBackup,
    RemoveClone,
    Restore,
    UpdateClone,
    subject_of,
)
from appliance.ledger.book import Book
from appliance.ledger.outcome import ActionResult, Founded, Recorded, StateChanged
from appliance.ledger.plan import Plan
from appliance.ledger.results import content_digest
from appliance.ledger.roster import encode_certificate
from appliance.ledger.services import LOG
from appliance.ledger.state import LedgerState
from appliance.numbers.domains import DomainTree, Generation
from keyceremony.act.work import clones, identity, keys, logkeys, recovery
from keyceremony.act.work.bench import Bench
from keyceremony.act.work.identity import Identity
from keyceremony.errors import PlanRefused

Progress = Callable[[int, Action], None]


@dataclass(frozen=True)
class Done:
    """What came of it: a result for each action, and whose key signs the outcome."""

    results: tuple[ActionResult, ...]
    signer: Identity


def carry_out(bench: Bench, plan: Plan, progress: Progress) -> Done:
    """Do every action; the results are in the plan's order.

    A destroy comes last, wherever it stands in the plan: until then everything can be undone, and nothing that the
    other actions do on a token depends on it.

    Raises:
        KagimoriError: (a subclass) whatever a token, or what was read back from it, forbids.
    """
    first = plan.actions[0]
    if isinstance(first, Found):
        return _found(bench, first, progress)
    if bench.state is None:
        raise PlanRefused("the ledger is empty: only a genesis plan can be its first")
    effects = _after_states(plan, bench.state)
    results: dict[int, ActionResult] = {}
    numbered = list(enumerate(plan.actions, start=1))
    for number, action in sorted(numbered, key=lambda one: isinstance(one[1], Destroy)):
        progress(number, action)
        bench.journal.write(str(number), "start")
        results[number] = _one(bench, number, action, bench.state, effects)
        bench.journal.write(str(number), "finish")
    return Done(tuple(results[number] for number, _ in numbered), signer_of(plan, bench.state))


def signer_of(plan: Plan, state: LedgerState) -> Identity:
    """Whose key signs the outcome of a plan, and the record of an attempt at it."""
    first = plan.actions[0]
    if isinstance(first, Restore):
        return recovery.vouching(first, state)
    return Identity(state.token_serial, state.identity_key_id, state.identity_certificate)


@dataclass(frozen=True)
class _Effects:
    """What the plan's actions lead to, number by number, and the domains as they are in the end."""

    after: dict[int, str]
    book: Book


def _after_states(plan: Plan, state: LedgerState) -> _Effects:
    book = Book(state)
    after = {number: str(book.carry_out(action).after) for number, action in enumerate(plan.actions, start=1)}
    return _Effects(after, book)


def _one(bench: Bench, number: int, action: Action, state: LedgerState, effects: _Effects) -> ActionResult:
    match action:
        case Found():
            raise PlanRefused("found belongs to genesis only")
        case Generate():
            return _generate(bench, number, action, state, effects.book.keys.tree)
        case Destroy():
            return keys.destroy(bench, number, action, state)
        case ChangeRoster() | ChangePolicy() | AddDomain():
            return Recorded(subject=subject_of(action), digest=content_digest(action))
        case EnrollBackup() | RemoveBackup() | Restore() | Drill():
            return _backups(bench, action, state)
        case EnrollClone() | UpdateClone() | RemoveClone():
            return _clones(bench, action, state)
        case _:
            return StateChanged(generation=action.generation, state=effects.after[number])


def _generate(bench: Bench, number: int, action: Generate, state: LedgerState, tree: DomainTree) -> ActionResult:
    if Generation.parse(action.generation).domain == LOG:
        return logkeys.generate(bench, number, action, state)
    return keys.generate(bench, number, action, state, tree)


def _backups(bench: Bench, action: EnrollBackup | RemoveBackup | Restore | Drill, state: LedgerState) -> ActionResult:
    match action:
        case EnrollBackup():
            return recovery.enroll(bench, action, state)
        case RemoveBackup():
            return recovery.remove(bench, action, state)
        case Restore():
            return recovery.restore(bench, action, state)
        case Drill():
            return recovery.drill(bench, action, state)


def _clones(bench: Bench, action: CloneAction, state: LedgerState) -> ActionResult:
    match action:
        case EnrollClone():
            return clones.enroll(bench, action, state)
        case UpdateClone():
            return clones.update(bench, action, state)
        case RemoveClone():
            return clones.remove(bench, action, state)


def _found(bench: Bench, action: Found, progress: Progress) -> Done:
    progress(1, action)
    bench.journal.write("1", "start")
    own = identity.make(bench, "1.identity", action.token_serial)
    bench.journal.write("1", "finish")
    founded = Founded(key_id=own.key_id.hex(), certificate=encode_certificate(own.certificate))
    return Done((founded,), own)
