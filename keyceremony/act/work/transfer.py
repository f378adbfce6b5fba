"""Keys from one token to another without ever being plain: wrapped under a transport key that the first one trusts."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass

from appliance.ledger.keys import KeyRecord
from appliance.ledger.outcome import CopiedKey
from appliance.ledger.state import BackupToken, LedgerState
from keyceremony.act.selftest import self_test
from keyceremony.act.work.bench import STAGING, Bench, Facts
from keyceremony.act.work.keys import require_copy
from keyceremony.errors import TransportKeyAltered

LABEL = "transport"


@dataclass(frozen=True)
class Transport:
    """A transport key. ``public``: SubjectPublicKeyInfo (DER)."""

    serial: str
    key_id: bytes
    public: bytes


def make_transport(bench: Bench, step: str, serial: str) -> Transport:
    """A new RSA pair on the token that unwraps and does nothing else."""
    token = bench.desk.token(serial)

    def making(key_id: bytes) -> Facts:
        return {"public": b64encode(token.generate_transport_key(key_id, LABEL)).decode("ascii")}

    key_id, facts = bench.make(step, serial, f"transport key of {token.facts.label}", making)
    return Transport(serial, key_id, b64decode(facts["public"]))


def trust(bench: Bench, step: str, serial: str, transport: Transport) -> bytes:
    """Have a token trust a transport key that another token really holds; the CKA_ID of its public half there.

    Raises:
        TransportKeyAltered: the other token does not hold it, whatever a journal says.
    """
    whose = bench.desk.name(transport.serial).label

    def making(key_id: bytes) -> None:
        require_held(bench, transport)
        _import(bench, serial, key_id, transport.public, whose)

    return bench.make(step, serial, f"trust the transport key of {whose}", making)[0]


def trust_again(bench: Bench, step: str, serial: str, backup: BackupToken) -> bytes:
    """Have a new appliance token trust the transport key that the ledger knows of a backup token."""

    def making(key_id: bytes) -> None:
        _import(bench, serial, key_id, backup.transport_key, backup.label)

    return bench.make(step, serial, f"trust the transport key of {backup.label}", making)[0]


def require_held(bench: Bench, transport: Transport) -> None:
    """The private half is on its token.

    Raises:
        TransportKeyAltered: another one is.
    """
    token = bench.desk.token(transport.serial)
    if token.transport_key(transport.key_id) != transport.public:
        raise TransportKeyAltered(
            f"token {token.facts.label}: its transport key is not the one that the journal tells of",
            "the journal was changed: nothing was trusted; keyceremony abort undoes the run",
        )


def _import(bench: Bench, serial: str, key_id: bytes, public: bytes, whose: str) -> None:
    bench.desk.import_trusted(serial, key_id, f"{LABEL} {whose}"[:32], public)


@dataclass(frozen=True)
class Way:
    """From which token, under which trusted key there, to which transport key; ``sealed``: as keys that convert."""

    source: str
    trusted_id: bytes
    target: Transport
    sealed: bool


def require_all(bench: Bench, serial: str, keys: Iterable[KeyRecord], *, sealed: bool) -> None:
    """Each key is on the token, and is the right one.

    Raises:
        CopyMismatch, KeyMissing, AttributesRefused: it is not.
    """
    for key in keys:
        require_copy(bench.desk.token(serial), str(key.generation), key.key_id, key.check_value, sealed=sealed)


def from_backup(
    bench: Bench, source: str, transport: Transport, keys: Iterable[KeyRecord], state: LedgerState, *, sealed: bool
) -> tuple[CopiedKey, ...]:
    """A backup token's copies of keys on another token; the trust that this takes ends with it.

    Raises:
        KagimoriError: (a subclass) as `trust` and `copy_all`.
    """

    def copying() -> tuple[CopiedKey, ...]:
        trusted = trust(bench, "1.source", source, transport)
        copies = copy_all(bench, Way(source, trusted, transport, sealed), keys, state)
        bench.erase("1.source")
        return copies

    return bench.once("1.copies", tuple[CopiedKey, ...], copying)


def copy_all(bench: Bench, way: Way, keys: Iterable[KeyRecord], state: LedgerState) -> tuple[CopiedKey, ...]:
    """Each key on the target, verified there (and tried, if it is to convert), under its own name.

    Raises:
        CheckValueMismatch, CopyMismatch: what was unwrapped is another key.
        SelfTestFailed, AttributesRefused: it is not what it must be.
    """
    return tuple(_copy(bench, way, key, state) for key in keys)


def _copy(bench: Bench, way: Way, key: KeyRecord, state: LedgerState) -> CopiedKey:
    source, target = bench.desk.token(way.source), bench.desk.token(way.target.serial)
    name, label = str(key.generation), target.facts.label

    def making(key_id: bytes) -> None:
        if source.trusted_key(way.trusted_id) != way.target.public:
            raise TransportKeyAltered(f"token {source.facts.label}: it trusts another key than that of {label}")
        wrapped = source.wrap(key.key_id, way.trusted_id)
        token = bench.desk.token(way.target.serial)
        token.unwrap(key_id, STAGING + name, wrapped, way.target.key_id, key.check_value, sealed=way.sealed)

    step = f"1.copy.{way.target.serial}.{name}"
    bench.make(step, way.target.serial, f"copy of {name} on {label}", making, key_id=key.key_id)
    require_copy(target, name, key.key_id, key.check_value, sealed=way.sealed)
    if way.sealed:
        self_test(target.encrypt_blocks(key.key_id, key.check_value), key.generation.domain, state.tree)
    bench.do(f"1.name.{way.target.serial}.{name}", lambda: target.relabel(key.key_id, name))
    return CopiedKey(
        generation=name,
        key_id=key.key_id.hex(),
        check_value=key.check_value.hex(),
        attributes=target.attributes(key.key_id),
        origin=key.origin,
    )
