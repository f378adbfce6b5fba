"""What must hold on the tokens before anything is made: the right ones, empty or filled as they should be."""

from __future__ import annotations

from appliance.ledger import clones
from appliance.ledger.actions import (
    Action,
    Destroy,
    Drill,
    EnrollBackup,
    EnrollClone,
    Generate,
    RemoveBackup,
    RemoveClone,
    Restore,
    UpdateClone,
)
from appliance.ledger.state import LedgerState
from appliance.numbers.domains import Generation
from appliance.token.token import Token
from keyceremony.act.desk import Desk
from keyceremony.act.prepare import Prepared
from keyceremony.act.work import carryout
from keyceremony.act.work.bench import STAGING
from keyceremony.act.work.fitness import wanted
from keyceremony.act.work.keys import holders, require_copy, require_transport_key
from keyceremony.act.work.recovery import copied
from keyceremony.errors import CopyMismatch, KeyLabelTaken, TokenNotEmpty


def check(prepared: Prepared, desk: Desk) -> None:
    """Log in everywhere, each PIN once, and look; nothing is changed.

    Raises:
        TokenError: a token is not there, a PIN is wrong, or a key that must be there is missing.
        FeatureMissing: a token lacks what the plan asks of it.
        TokenNotEmpty, KeyLabelTaken, TransportKeyAltered, CopyMismatch: a token is not as it must be.
    """
    needs, state = prepared.needs, prepared.state
    for name in needs.officers:
        desk.check_so(name.serial)
    for name in needs.users:
        desk.token(name.serial)
    for serial, features in wanted(prepared.paper.plan, state).items():
        desk.token(serial).require_features(*features)
    for name in needs.empty:
        _require_empty(desk.token(name.serial))
    if state is None:
        return
    signer = carryout.signer_of(prepared.paper.plan, state)  # without it no outcome could be signed
    desk.token(signer.serial).signer(signer.certificate, key_id=signer.key_id)
    for action in prepared.paper.plan.actions:
        _check_action(desk, action, state)


def _check_action(desk: Desk, action: Action, state: LedgerState) -> None:
    match action:
        case Generate():
            _check_generate(desk, action, state)
        case Destroy():
            record = state.keys[Generation.parse(action.generation)]
            for serial in holders(record, state):
                desk.token(serial).attributes(record.key_id)
        case EnrollBackup():
            if action.copy_from is not None:
                _check_copies(desk, action.copy_from, state)
        case Restore() | Drill() | EnrollClone():
            _check_copies(desk, action.source, state)
        case RemoveBackup():
            if not action.lost:
                _check_copies(desk, action.token_serial, state)
        case UpdateClone():
            _check_copies(desk, action.source, state)
            _check_clone(desk, action.token_serial, state)
        case RemoveClone():
            if not action.lost:
                _check_clone(desk, action.token_serial, state)
        case _:
            pass


def _check_generate(desk: Desk, action: Generate, state: LedgerState) -> None:
    appliance = desk.token(state.token_serial)
    for serial in action.backups:
        backup = state.backups[serial]
        require_transport_key(appliance, backup)
        desk.token(serial).attributes(backup.transport_id)
    for serial in (state.token_serial, *action.backups):
        _require_free(desk.token(serial), action.generation)


def _check_copies(desk: Desk, serial: str, state: LedgerState) -> None:
    """All copies that the ledger says are there are there, and are the right keys."""
    token = desk.token(serial)
    for key in copied(state, serial):
        require_copy(token, str(key.generation), key.key_id, key.check_value, sealed=False)
    backup = state.backups[serial]
    known = {key.key_id for key in copied(state, serial)}
    _require_known(token, known | {backup.transport_id, backup.identity_key_id})


def _check_clone(desk: Desk, serial: str, state: LedgerState) -> None:
    """All keys that the ledger says are on a clone are there, sealed, and are the right keys."""
    token, clone = desk.token(serial), state.clones[serial]
    there = clones.held(state.keys, serial)
    for key in there:
        require_copy(token, str(key.generation), key.key_id, key.check_value, sealed=True)
    if clone.log_name is not None:
        token.log_signer(clone.log_key_id, clone.log_public_key)
    _require_known(token, {key.key_id for key in there} | {clone.log_key_id})


def _require_known(token: Token, known: set[bytes]) -> None:
    if strange := sorted(set(token.key_ids()) - known):
        names = ", ".join(key_id.hex() for key_id in strange)
        raise CopyMismatch(
            f"token {token.facts.label}: holds keys that the ledger does not know: {names}",
            "keyceremony inventory tells what is where; find out whose they are before going on",
        )


def _require_empty(token: Token) -> None:
    if held := sorted({one.label or one.key_id.hex() for one in token.objects()}):
        raise TokenNotEmpty(
            f"token {token.facts.label}: holds keys already ({', '.join(held)})",
            "it must be empty: initialise one, and draft the plan with its serial number",
        )


def _require_free(token: Token, name: str) -> None:
    taken = {one.label for one in token.objects()} & {name, STAGING + name}
    if taken:
        raise KeyLabelTaken(
            f"token {token.facts.label}: holds a key {min(taken)} that the ledger does not know",
            "an old ledger, or keys that nobody accounts for: keyceremony inventory, and docs/ceremony-trouble.md",
        )
