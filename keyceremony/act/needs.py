"""Which tokens, and whose PINs, carrying out a plan needs: known before anybody sits down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from appliance.ledger.actions import Action, Destroy, Drill, EnrollBackup, Found, Generate, RemoveBackup, Restore
from appliance.ledger.plan import Plan
from appliance.ledger.state import LedgerState
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
            source = _backups(state, [first.copy_from] if first.copy_from else [])
            return Needs(appliance, appliance, (appliance, new, *source), (appliance, *source), (new,))
        case Restore():
            new, (old,) = Name(first.token_label, first.token_serial), _backups(state, [first.source])
            return Needs(new, old, (old, new), (old, new), (new,))
        case Drill():
            scratch, (old,) = Name(first.token_label, first.token_serial), _backups(state, [first.source])
            return Needs(appliance, appliance, (appliance, old, scratch), (old,), (scratch,))
        case RemoveBackup():
            return Needs(
                appliance, appliance, (appliance, *_backups(state, [] if first.lost else [first.token_serial])), (), ()
            )
        case _:
            return Needs(appliance, appliance, (appliance, *_backups(state, _holders(state, plan.actions))), (), ())


def _holders(state: LedgerState, actions: Iterable[Action]) -> list[str]:
    """Serial numbers of the backup tokens that get, or lose, a copy."""
    found: dict[str, None] = {}
    for action in actions:
        if isinstance(action, Generate):
            found |= dict.fromkeys(action.backups)
        if isinstance(action, Destroy) and (record := state.keys.get(Generation.parse(action.generation))):
            found |= dict.fromkeys(sorted(record.copies))
    return list(found)


def _backups(state: LedgerState, serials: Iterable[str]) -> tuple[Name, ...]:
    return tuple(Name(state.backups[serial].label, serial) for serial in serials if serial in state.backups)
