"""What must be on a token according to the ledger, object by object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from appliance.ledger import attributes as rules
from appliance.ledger import clones
from appliance.ledger.keys import KeyRecord
from appliance.ledger.servicekeys import log_on
from appliance.ledger.services import LOG
from appliance.ledger.state import BackupToken, CloneToken, LedgerState
from appliance.ledger.states import GONE


@dataclass(frozen=True)
class Wanted:
    """Something a token must hold under a CKA_ID. ``kinds``: its objects, as `appliance.token` names them.

    ``label``: of a key, as the token must have it. ``key``: the ledger's record, None for what is no key of a
    generation. ``rule``: what the attributes of a conversion or tag key must be; None for all else. ``public``: the
    transport key it is, SubjectPublicKeyInfo (DER); ``certificate``: of an identity key, DER.
    """

    what: str
    kinds: frozenset[str]
    label: str = ""
    key: KeyRecord | None = None
    rule: Mapping[str, rules.Value] | None = None
    public: bytes | None = None
    certificate: bytes | None = None


_IDENTITY = frozenset({"private_key", "public_key", "certificate"})
_PAIR = frozenset({"private_key", "public_key"})
_PUBLIC = frozenset({"public_key"})
_SECRET = frozenset({"secret_key"})


def on_appliance(state: LedgerState) -> dict[bytes, Wanted]:
    """By CKA_ID, what the appliance's token must hold."""
    wanted = {state.identity_key_id: Wanted("identity", _IDENTITY, certificate=state.identity_certificate)}
    for backup in state.backups.values():
        what = f"trusted transport key of {backup.label}"
        wanted[backup.trusted_id] = Wanted(what, _PUBLIC, public=backup.transport_key)
    for key in live(state):
        name = str(key.generation)
        log = key.generation.domain == LOG
        wanted[key.key_id] = _pair(name, name, key) if log else _secret(name, key, _rule(key, state))
    return wanted


def on_backup(state: LedgerState, backup: BackupToken) -> dict[bytes, Wanted]:
    """By CKA_ID, what a backup token must hold."""
    wanted = {
        backup.identity_key_id: Wanted("identity", _IDENTITY, certificate=backup.identity_certificate),
        backup.transport_id: Wanted("transport key", _PAIR, public=backup.transport_key),
    }
    for key in live(state):
        if backup.serial in key.copies:
            wanted[key.key_id] = _secret(f"copy of {key.generation}", key, rules.COPY)
    return wanted


def on_clone(state: LedgerState, clone: CloneToken) -> dict[bytes, Wanted]:
    """By CKA_ID, what a clone must hold."""
    there = clones.held(state.keys, clone.serial)
    wanted = {key.key_id: _secret(str(key.generation), key, rules.RESTORED) for key in there}
    log = log_on(state, clone.serial)
    if log is not None and clone.log_name is not None:
        wanted[log.key_id] = _pair(f"key of the log {clone.log_name}", clones.log_label(clone.log_name), log)
    return wanted


def _secret(what: str, key: KeyRecord, rule: Mapping[str, rules.Value]) -> Wanted:
    return Wanted(what, _SECRET, label=str(key.generation), key=key, rule=rule)


def _pair(what: str, label: str, key: KeyRecord) -> Wanted:
    return Wanted(what, _PAIR, label=label, key=key)


def held(state: LedgerState, serial: str) -> frozenset[bytes]:
    """The CKA_IDs that the ledger has on a token: nothing that a run makes, or undoes, can be one of them."""
    return frozenset(on_token(state, serial))


def on_token(state: LedgerState, serial: str) -> dict[bytes, Wanted]:
    """By CKA_ID, what a token must hold; nothing, if it has no part in the ledger."""
    if serial == state.token_serial:
        return on_appliance(state)
    if serial in state.clones:
        return on_clone(state, state.clones[serial])
    backup = state.backups.get(serial)
    return on_backup(state, backup) if backup else {}


def live(state: LedgerState) -> list[KeyRecord]:
    """The keys that are on the appliance's token, in order."""
    return [key for _, key in sorted(state.keys.items()) if key.state not in GONE]


def _rule(key: KeyRecord, state: LedgerState) -> Mapping[str, rules.Value]:
    """A restored key has lost what an unwrap loses; the outcome of its origin tells how it was made."""
    if key.origin < state.restored:
        return rules.RESTORED
    return rules.BACKED_UP if key.backed_up else rules.NEVER_EXTRACTABLE
