"""Which tokens, and whose PINs, carrying out a plan needs: known before anybody sits down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from appliance.ledger.actions import (
    Action,
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
)
from appliance.ledger.plan import Plan
from appliance.ledger.state import BackupToken, CloneToken, LedgerState
from appliance.numbers.domains import Generation
from keyceremony.act.desk import Name
from keyceremony.errors import PlanRefused


@dataclass(frozen=True)
class Needs:
    """Tokens in the order they are asked for.

    ``acting``: the appliance's, a new one after a restore; ``signer``: the one whose identity key signs the outcome;
    ``users``: those whose user logs in; ``officers``: those whose security officer (SO) does; ``empty``: those that
    must hold nothing yet.
    """

    acting: Name
    signer: Name
    users: tuple[Name, ...]
    officers: tuple[Name, ...]
    empty: tuple[Name, ...]

    @property
    def names(self) -> tuple[Name, ...]:
        """Every token once."""
        return tuple(dict.fromkeys((*self.users, *self.officers)))


def needs(plan: Plan, state: LedgerState | None) -> Needs:
    """The tokens a plan needs in a state (None: it is a genesis).

    Raises:
        PlanRefused: the ledger is empty, and the plan no genesis.
    """
    first = plan.actions[0]
    if isinstance(first, Found):
        founded = Name(first.token_label, first.token_serial)
        return Needs(founded, founded, (founded,), (), (founded,))
    if state is None:
        raise PlanRefused("the ledger is empty: only a genesis plan can be its first")
    appliance = Name(state.token_label, state.token_serial)
    match first:
        case EnrollBackup():
            new = Name(first.token_label, first.token_serial)
            source = _named(state, [first.copy_from] if first.copy_from else [])
            return Needs(appliance, appliance, (appliance, new, *source), (appliance, *source), (new,))
        case Restore():
            new, (old,) = Name(first.token_label, first.token_serial), _named(state, [first.source])
            return Needs(new, old, (old, new), (old, new), (new,))
        case Drill():
            scratch, (old,) = Name(first.token_label, first.token_serial), _named(state, [first.source])
            return Needs(appliance, appliance, (appliance, old, scratch), (old,), (scratch,))
        case EnrollClone() | UpdateClone():
            return _of_clone(state, first, appliance)
        case _:
            return Needs(appliance, appliance, (appliance, *_named(state, _holders(state, plan.actions))), (), ())


def _of_clone(state: LedgerState, action: EnrollClone | UpdateClone, appliance: Name) -> Needs:
    """The clone, and the backup token that it gets keys from, whose SO trusts its transport key meanwhile."""
    source = _named(state, [action.source])
    if isinstance(action, UpdateClone):
        return Needs(appliance, appliance, (appliance, *_named(state, [action.token_serial]), *source), source, ())
    new = Name(action.token_label, action.token_serial)
    return Needs(appliance, appliance, (appliance, new, *source), source, (new,))


def _holders(state: LedgerState, actions: Iterable[Action]) -> list[str]:
    """Serial numbers of the backup tokens that get a copy, and of the backup tokens and clones that lose one."""
    found: dict[str, None] = {}
    for action in actions:
        if isinstance(action, RemoveBackup | RemoveClone) and not action.lost:
            found |= {action.token_serial: None}
        if isinstance(action, Generate):
            found |= dict.fromkeys(action.backups)
        if isinstance(action, Destroy) and (record := state.keys.get(Generation.parse(action.generation))):
            found |= dict.fromkeys([*sorted(record.copies), *sorted(record.clones)])
    return list(found)


def _named(state: LedgerState, serials: Iterable[str]) -> tuple[Name, ...]:
    known = {one.serial: Name(one.label, one.serial) for one in others(state)}
    return tuple(known[serial] for serial in serials if serial in known)


def others(state: LedgerState) -> tuple[BackupToken | CloneToken, ...]:
    """The tokens of the ledger besides the appliance's: backup tokens first."""
    return (*state.backups.values(), *state.clones.values())
