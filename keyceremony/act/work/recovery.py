"""Backup tokens enrolled and removed, a new appliance token restored from one, and the drill that rehearses it."""

from __future__ import annotations

from appliance.ledger import attributes as rules
from appliance.ledger.actions import Drill, EnrollBackup, RemoveBackup, Restore
from appliance.ledger.keys import KeyRecord
from appliance.ledger.outcome import BackupEnrolled, BackupRemoved, CopiedKey, Drilled, Restored, TokenFacts
from appliance.ledger.publickey import encode_transport_key
from appliance.ledger.roster import encode_certificate
from appliance.ledger.state import LedgerState
from appliance.ledger.states import GONE
from appliance.token.token import Token
from keyceremony.act.work import identity
from keyceremony.act.work.bench import Bench
from keyceremony.act.work.identity import Identity
from keyceremony.act.work.keys import require_absent
from keyceremony.act.work.transfer import (
    from_backup,
    make_transport,
    require_all,
    require_held,
    trust,
    trust_again,
)
from keyceremony.errors import ScratchNotEmpty


def enroll(bench: Bench, action: EnrollBackup, state: LedgerState) -> BackupEnrolled:
    """Transport and identity key on the new backup token; the appliance's token trusts the former."""
    serial = action.token_serial
    transport = make_transport(bench, "1.transport", serial)
    own = identity.make(bench, "1.identity", serial)
    trusted = trust(bench, "1.trusted", state.token_serial, transport)
    copies: tuple[CopiedKey, ...] = ()
    if action.copy_from is not None:
        held = copied(state, action.copy_from)
        copies = from_backup(bench, action.copy_from, transport, held, state, sealed=False)
        require_all(bench, serial, held, sealed=False)
    require_held(bench, transport)
    token = bench.desk.token(serial)
    attributes = token.attributes(transport.key_id)
    rules.require_transport_key(action.token_label, attributes)
    return BackupEnrolled(
        token=facts_of(token),
        transport_id=transport.key_id.hex(),
        transport_key=encode_transport_key(transport.public),
        trusted_id=trusted.hex(),
        key_id=own.key_id.hex(),
        certificate=encode_certificate(own.certificate),
        attributes=attributes,
        copies=copies,
    )


def restore(bench: Bench, action: Restore, state: LedgerState) -> Restored:
    """Every key not given up on the new appliance token, sealed; an identity key of its own; backups trusted again."""
    serial = action.token_serial
    transport = make_transport(bench, "1.transport", serial)
    held = copied(state, action.source)
    keys = from_backup(bench, action.source, transport, held, state, sealed=True)
    require_all(bench, serial, held, sealed=True)
    trusted = {
        backup.serial: trust_again(bench, f"1.trusted.{backup.serial}", serial, backup).hex()
        for backup in state.backups.values()
        if backup.serial not in action.lost_backups
    }
    own = identity.make(bench, "1.identity", serial)
    bench.erase("1.transport")
    return Restored(
        key_id=own.key_id.hex(), certificate=encode_certificate(own.certificate), keys=keys, trusted=trusted
    )


def drill(bench: Bench, action: Drill, state: LedgerState) -> Drilled:
    """As a restore, on a scratch token, which is empty again in the end.

    Raises:
        ScratchNotEmpty: something is left on it.
    """
    serial = action.token_serial
    transport = make_transport(bench, "1.transport", serial)
    keys = from_backup(bench, action.source, transport, copied(state, action.source), state, sealed=True)
    for made in bench.journal.made():
        bench.erase(made.step)
    scratch = bench.desk.token(serial)
    if left := scratch.objects():
        names = ", ".join(f"{one.kind} {one.key_id.hex()}" for one in left)
        raise ScratchNotEmpty(f"token {scratch.facts.label}: still holds {names}", "initialise the scratch token anew")
    return Drilled(scratch=facts_of(scratch), keys=keys)


def remove(bench: Bench, action: RemoveBackup, state: LedgerState) -> BackupRemoved:
    """The backup token emptied, unless it is lost; in either case the appliance's token no longer trusts it."""
    backup = state.backups[action.token_serial]
    held = [] if action.lost else [*(key.key_id for key in copied(state, backup.serial)), backup.transport_id]
    if not action.lost:
        held.append(backup.identity_key_id)
    for key_id in held:
        what = f"destroy {key_id.hex()} on {backup.label}"
        bench.destroy(f"1.gone.{backup.serial}.{key_id.hex()}", backup.serial, key_id, what)
    what = f"end the trust in {backup.label}"
    bench.destroy("1.untrust", state.token_serial, backup.trusted_id, what)
    for serial, key_id in [*((backup.serial, key_id) for key_id in held), (state.token_serial, backup.trusted_id)]:
        require_absent(bench.desk.token(serial), key_id)
    return BackupRemoved(
        serial=backup.serial, removed=tuple(key_id.hex() for key_id in held), trusted_id=backup.trusted_id.hex()
    )


def copied(state: LedgerState, serial: str) -> list[KeyRecord]:
    """The keys that a backup token has a copy of, in order."""
    live = [key for _, key in sorted(state.keys.items()) if key.state not in GONE]
    return [key for key in live if serial in key.copies]


def vouching(action: Restore, state: LedgerState) -> Identity:
    """The identity key that signs the outcome of a restore: the backup token's, since the appliance's is gone."""
    backup = state.backups[action.source]
    return Identity(backup.serial, backup.identity_key_id, backup.identity_certificate)


def facts_of(token: Token) -> TokenFacts:
    """A token's facts as the ledger writes them."""
    facts = token.facts
    return TokenFacts(label=facts.label, serial=facts.serial, manufacturer=facts.manufacturer, model=facts.model)
