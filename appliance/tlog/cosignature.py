"""Cosignatures: a witness says that it saw a checkpoint, and nothing before it undone (C2SP tlog-cosignature)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.errors import CosignatureInvalid, VerifierKeyInvalid
from appliance.tlog.note import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, Note, Signature, VerifierKey

LATEST_TIME = 2**63 - 1  # seconds since 1970

_TIME_BYTES = 8
_LENGTHS = {COSIGNATURE_ED25519: _TIME_BYTES + 64, COSIGNATURE_ML_DSA_44: _TIME_BYTES + 2420}
_SUBTREE_LABEL = b"subtree/v1\n\0"


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A verified cosignature: the witness's ``name`` and the ``kind`` of its key, and the ``time`` that it states.

    The time is in seconds since 1970. ``signature`` is the line that it came from.
    """

    name: str
    kind: int
    time: int
    signature: Signature


def cosigner(vkey: str) -> VerifierKey:
    """The key of a witness, of a kind that cosigns: Ed25519 (0x04) or ML-DSA-44 (0x06).

    Raises:
        VerifierKeyInvalid: not a verifier key, or one that signs notes and not cosignatures.
    """
    key = VerifierKey.parse(vkey)
    _require_kind(key)
    return key


def sign_ed25519(private: Ed25519PrivateKey, name: str, checkpoint: Checkpoint, time: int) -> Signature:
    """The cosignature line of the witness ``name``, stated at ``time`` (whole seconds since 1970).

    Raises:
        VerifierKeyInvalid: the name cannot be a key's name.
        CosignatureInvalid: the time is not 1 to 2**63 - 1.
    """
    key = VerifierKey(name, COSIGNATURE_ED25519, private.public_key().public_bytes_raw())
    return _signature(checkpoint, key, time, private.sign(_message(checkpoint, key, time)))


def sign_ml_dsa_44(private: MLDSA44PrivateKey, name: str, checkpoint: Checkpoint, time: int) -> Signature:
    """As `sign_ed25519`, with ML-DSA-44 (FIPS 204, empty context)."""
    key = VerifierKey(name, COSIGNATURE_ML_DSA_44, private.public_key().public_bytes_raw())
    return _signature(checkpoint, key, time, private.sign(_message(checkpoint, key, time)))


def verify(checkpoint: Checkpoint, signature: Signature, key: VerifierKey) -> Cosignature:
    """The cosignature of ``key`` on exactly that checkpoint.

    Raises:
        VerifierKeyInvalid: a key of a kind that does not cosign.
        CosignatureInvalid: of another key, of another checkpoint, or altered.
    """
    _require_kind(key)
    if not signature.claims(key) or len(signature.data) != _LENGTHS[key.kind]:
        raise CosignatureInvalid(f"the signature line of {signature.name} is not a cosignature by the key {key.name}")
    time = int.from_bytes(signature.data[:_TIME_BYTES], "big")
    message = _message(checkpoint, key, time)
    try:
        _public(key).verify(signature.data[_TIME_BYTES:], message)
    except (InvalidSignature, ValueError):
        raise CosignatureInvalid(
            f"the cosignature of {key.name} does not fit the checkpoint of size {checkpoint.size} and the witness's key"
        ) from None
    return Cosignature(key.name, key.kind, time, signature)


def verified(note: Note, checkpoint: Checkpoint, keys: Iterable[VerifierKey]) -> tuple[Cosignature, ...]:
    """The cosignatures on a note by the given witnesses: at most one for each key, the newest, in the keys' order.

    Lines of others are not looked at. One per key, so that counting them counts witnesses.

    Raises:
        CosignatureInvalid: a line in the name of one of the keys is wrong, or the note is not that checkpoint's.
        VerifierKeyInvalid: a key of a kind that does not cosign.
    """
    if note.text != checkpoint.text:
        raise CosignatureInvalid(f"the note is not the checkpoint of size {checkpoint.size} that it is to cosign")
    found: list[Cosignature] = []
    for key in dict.fromkeys(keys):
        mine = [verify(checkpoint, line, key) for line in note.signatures if line.claims(key)]
        found.extend(sorted(mine, key=lambda one: one.time)[-1:])
    return tuple(found)


def _message(checkpoint: Checkpoint, key: VerifierKey, time: int) -> bytes:
    """What is signed, for the kind of the key.

    A time of 0 would say nothing about the newest checkpoint seen, which is what a witness is for
    (C2SP tlog-witness: it MUST NOT be zero).
    """
    if not 1 <= time <= LATEST_TIME:
        raise CosignatureInvalid(f"the cosignature of {key.name} states no time between 1 and 2**63 - 1")
    if key.kind == COSIGNATURE_ED25519:
        return f"cosignature/v1\ntime {time}\n{checkpoint.text}".encode()
    if checkpoint.extensions:
        raise CosignatureInvalid("an ML-DSA-44 cosignature does not cover extension lines; the checkpoint has some")
    return b"".join(
        (
            _SUBTREE_LABEL,
            _opaque(key.name),
            time.to_bytes(8, "big"),
            _opaque(checkpoint.origin),
            (0).to_bytes(8, "big"),  # start: the whole tree
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        )
    )


def _opaque(text: str) -> bytes:
    """A TLS vector ``opaque <1..2^8-1>`` (RFC 8446 section 3.4)."""
    data = text.encode()
    if not 1 <= len(data) <= 0xFF:
        raise CosignatureInvalid("an ML-DSA-44 cosignature names witness and log in 1 to 255 bytes each")
    return len(data).to_bytes(1, "big") + data


def _signature(checkpoint: Checkpoint, key: VerifierKey, time: int, signed: bytes) -> Signature:
    """The line, verified at once."""
    signature = Signature(key.name, key.key_id, time.to_bytes(_TIME_BYTES, "big") + signed)
    verify(checkpoint, signature, key)
    return signature


def _public(key: VerifierKey) -> Ed25519PublicKey | MLDSA44PublicKey:
    if key.kind == COSIGNATURE_ED25519:
        return Ed25519PublicKey.from_public_bytes(key.public)
    return MLDSA44PublicKey.from_public_bytes(key.public)


def _require_kind(key: VerifierKey) -> None:
    if key.kind not in _LENGTHS:
        raise VerifierKeyInvalid(f"verifier key {key.name}: a witness cosigns with a key of type 0x04 or 0x06")
