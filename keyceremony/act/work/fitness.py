"""What a plan asks of each of its tokens, so that one that lacks it is refused before anything is made."""

from __future__ import annotations

from appliance.ledger.actions import Action, Drill, EnrollBackup, EnrollClone, Found, Generate, Restore, UpdateClone
from appliance.ledger.plan import Plan
from appliance.ledger.services import LOG as LOG_DOMAIN
from appliance.ledger.state import LedgerState
from appliance.numbers.domains import Generation
from appliance.token.features import BACKUP, CONVERSION, IDENTITY, LOG, PRODUCTION, TRANSPORT, Feature

Wanted = dict[str, tuple[Feature, ...]]


def wanted(plan: Plan, state: LedgerState | None) -> Wanted:
    """Features by serial number, each once."""
    found: Wanted = {}
    for action in plan.actions:
        for serial, features in _of(action, state).items():
            found[serial] = tuple(dict.fromkeys((*found.get(serial, ()), *features)))
    return found


def _of(action: Action, state: LedgerState | None) -> Wanted:
    match action:
        case Found() | Restore():
            return {action.token_serial: PRODUCTION}
        case Generate() if state is not None:
            return _generate(action, state)
        case EnrollBackup():
            return {action.token_serial: (CONVERSION, IDENTITY, BACKUP, TRANSPORT)}
        case EnrollClone():
            return {action.token_serial: (CONVERSION, TRANSPORT, *((LOG,) if action.log_name else ()))}
        case Drill() | UpdateClone():
            return {action.token_serial: (CONVERSION, TRANSPORT)}
        case _:
            return {}


def _generate(action: Generate, state: LedgerState) -> Wanted:
    """A log key has no copies; a conversion key that has some leaves the token once."""
    if Generation.parse(action.generation).domain == LOG_DOMAIN:
        return {state.token_serial: (LOG,)}
    own = (CONVERSION, BACKUP) if action.backups else (CONVERSION,)
    return {state.token_serial: own, **dict.fromkeys(action.backups, (TRANSPORT,))}
