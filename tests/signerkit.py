"""People and tokens for tests: software keys under real certificates, made once a process.

The signatures, certificates and checks are the real ones; only the keys are in memory instead of on tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from appliance.ledger.certificate import self_signed
from appliance.ledger.roster import (
    DEFAULT_THRESHOLDS,
    Person,
    Role,
    Roster,
    Threshold,
    ThresholdClass,
    encode_certificate,
)

NOW = datetime(2026, 4, 1, 9, 0, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SERIAL = "0123456789abcdef"
B1, B2, B3 = "b1b1b1b1b1b1b1b1", "b2b2b2b2b2b2b2b2", "b3b3b3b3b3b3b3b3"  # backup tokens
C1, C2 = "c1c1c1c1c1c1c1c1", "c2c2c2c2c2c2c2c2"  # clones
NEW_TOKEN, SCRATCH = "fedcba9876543210", "5c5c5c5c5c5c5c5c"
LABELS = {
    SERIAL: "kagimori",
    B1: "backup-1",
    B2: "backup-2",
    B3: "backup-3",
    C1: "clone-1",
    C2: "clone-2",
    NEW_TOKEN: "kagimori-2",
    SCRATCH: "scratch",
}

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class SoftSigner:
    """A `cms.Signer` with its key in memory."""

    key: PrivateKey
    certificate: bytes
    hash: hashes.HashAlgorithm = field(default_factory=hashes.SHA256)

    def sign(self, message: bytes) -> bytes:
        """Signature value as CMS wants it."""
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(message, padding.PKCS1v15(), self.hash)
        return self.key.sign(message, ec.ECDSA(self.hash))


def make_signer(
    name: str,
    key: PrivateKey | None = None,
    *,
    not_before: datetime = NOW - timedelta(days=30),
    not_after: datetime = NOW + timedelta(days=3650),
) -> SoftSigner:
    """A new key (P-256 unless given) with a self-signed certificate."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    bare = SoftSigner(key, b"")
    return SoftSigner(key, self_signed(name, spki, bare.sign, not_before, not_after))


@cache
def signer(name: str) -> SoftSigner:
    """The signer of that name, the same throughout the process; one of them has RSA, one P-384."""
    if name == "ito":
        return make_signer(name, rsa.generate_private_key(public_exponent=65537, key_size=2048))
    if name == "ueda":
        return make_signer(name, ec.generate_private_key(ec.SECP384R1()))
    return make_signer(name)


def token_signer(serial: str) -> SoftSigner:
    """The identity key of a token: the appliance's, a new appliance's, a backup token's."""
    return signer("appliance" if serial == SERIAL else f"token {serial}")


def backup_signer(serial: str) -> SoftSigner:
    """The identity key of a backup token; it signs the outcome of a restore."""
    return token_signer(serial)


@cache
def transport_key(serial: str) -> bytes:
    """A backup token's transport key: SubjectPublicKeyInfo (DER) of RSA-3072."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


OFFICERS = ("ito", "sato", "mori")
OVERSIGHT = ("ueda", "kato")
NAMES = {"ito": "伊藤 一郎", "sato": "佐藤　花子", "mori": "森 次郎", "ueda": "上田 恵", "kato": "加藤 実"}


def person(name: str, role: Role, who: SoftSigner | None = None) -> Person:
    """A roster entry."""
    certificate = encode_certificate((who or signer(name)).certificate)
    return Person(id=name, name=NAMES.get(name, name), role=role, certificate=certificate)


def make_roster(
    people: Sequence[Person] | None = None, thresholds: dict[ThresholdClass, Threshold] | None = None
) -> Roster:
    """Three officers and two oversight members, unless told otherwise."""
    everyone = [person(name, "officer") for name in OFFICERS] + [person(name, "oversight") for name in OVERSIGHT]
    return Roster(people=tuple(people or everyone), thresholds={**DEFAULT_THRESHOLDS, **(thresholds or {})})
