"""What people should know of an action on a clone before they approve it: what it holds, and what it can do then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from appliance.ledger import clones
from appliance.ledger.actions import CloneAction, EnrollClone, RemoveClone, UpdateClone
from appliance.ledger.book import Book
from appliance.ledger.fold import LedgerState
from appliance.ledger.keys import KeyRecord
from keyceremony.plans.holders import label_of


def details(action: CloneAction, state: LedgerState | None) -> Iterator[str]:
    """Lines about one action; ``state``: before the plan, None when it is not known."""
    match action:
        case EnrollClone():
            yield f"token {action.token_label}, serial {action.token_serial}, empty until now"
            yield _brought(action, state)
            yield "FROM THEN ON it converts every number, as the appliance's token does, for whoever has its PIN"
            yield _log(action)
        case UpdateClone():
            yield label_of(state.clones if state else {}, action.token_serial)
            yield _brought(action, state)
            yield from _left(action, state)
        case RemoveClone():
            yield label_of(state.clones if state else {}, action.token_serial)
            yield from _gone(action, state)


def _brought(action: EnrollClone | UpdateClone, state: LedgerState | None) -> str:
    keys = clones.due(Book(state), action) if state else []
    source = label_of(state.backups if state else {}, action.source)
    return f"gets from {source}, sealed, so that they never leave it: {_names(keys) or 'what it lacks'}"


def _log(action: EnrollClone) -> str:
    if action.log_name is None:
        return "serves more engines of the appliance; keeps no log, and signs nothing"
    return f"keeps the log {action.log_name}, signed with an Ed25519 key that is made on it and never leaves it"


def _left(action: UpdateClone, state: LedgerState | None) -> Iterator[str]:
    """Keys that the clone goes on lacking."""
    if state is None:
        return
    missing = clones.lacking(state.keys, action.token_serial)
    given = {key.generation for key in clones.due(Book(state), action)}
    if left := [key for key in missing if key.generation not in given]:
        yield f"STILL LACKS {_names(left)}, of which that backup token has no copy; they cannot be activated"


def _gone(action: RemoveClone, state: LedgerState | None) -> Iterator[str]:
    clone = state.clones.get(action.token_serial) if state else None
    if action.lost:
        yield "LOST: nothing can be proven of its keys; whoever has it and its PIN can convert. Rotate what was on it"
    else:
        yield "emptied; absence is proven"
    if clone is not None and clone.log_name is not None:
        yield f"its log {clone.log_name} ends, or goes on with another clone; what it has signed stays valid"


def _names(keys: Iterable[KeyRecord]) -> str:
    return ", ".join(str(key.generation) for key in keys)
