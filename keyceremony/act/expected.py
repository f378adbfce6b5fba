"""What must be on a token according to the ledger, object by object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from appliance.ledger import attributes as rules
from appliance.ledger.keys import KeyRecord
from appliance.ledger.servicekeys import LOG
from appliance.ledger.state import BackupToken, LedgerState
from appliance.ledger.states import GONE


@dataclass(frozen=True)
class Wanted:
    """Something a token must hold under a CKA_ID. ``kinds``: its objects, as `appliance.token` names them.

    ``key``: the ledger's record, None for what is no key of a generation. ``rule``: what the attributes of a
    conversion or tag key must be; None for all else. ``public``: the transport key it is, SubjectPublicKeyInfo (DER);
    ``certificate``: of an identity key, DER.
    """

    what: str
    kinds: frozenset[str]
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
        wanted[key.key_id] = Wanted(name, _PAIR, key) if log else Wanted(name, _SECRET, key, _rule(key, state))
    return wanted


def on_backup(state: LedgerState, backup: BackupToken) -> dict[bytes, Wanted]:
    """By CKA_ID, what a backup token must hold."""
    wanted = {
        backup.identity_key_id: Wanted("identity", _IDENTITY, certificate=backup.identity_certificate),
        backup.transport_id: Wanted("transport key", _PAIR, public=backup.transport_key),
    }
    for key in live(state):
        if backup.serial in key.copies:
            wanted[key.key_id] = Wanted(f"copy of {key.generation}", _SECRET, key, rules.COPY)
    return wanted


def held(state: LedgerState, serial: str) -> frozenset[bytes]:
    """The CKA_IDs that the ledger has on a token: nothing that a run makes, or undoes, can be one of them."""
    if serial == state.token_serial:
        return frozenset(on_appliance(state))
    backup = state.backups.get(serial)
    return frozenset(on_backup(state, backup)) if backup else frozenset()


def live(state: LedgerState) -> list[KeyRecord]:
    """The keys that are on the appliance's token, in order."""
    return [key for _, key in sorted(state.keys.items()) if key.state not in GONE]


def _rule(key: KeyRecord, state: LedgerState) -> Mapping[str, rules.Value]:
    """A restored key has lost what an unwrap loses; the outcome of its origin tells how it was made."""
    if key.origin < state.restored:
        return rules.RESTORED
    return rules.BACKED_UP if key.backed_up else rules.NEVER_EXTRACTABLE
