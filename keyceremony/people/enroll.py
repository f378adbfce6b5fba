"""Enrolment: a participant gets a P-256 key and a self-signed certificate.

On a token of their own the key is made there and never leaves it, and the certificate is stored beside
it; or key and certificate become an encrypted PEM file.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from asn1crypto import pem as asn1_pem
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.ledger import certificate
from appliance.ledger.roster import Person, Role, encode_certificate
from appliance.token import features
from appliance.token.errors import KeyMissing
from keyceremony.errors import KeyLabelTaken
from keyceremony.people import cards, pkcs8
from keyceremony.people.signers import PemSigner, public_key_info
from keyceremony.workspace import check_absent, create

if TYPE_CHECKING:
    from appliance.token.token import Token

YEARS = 10


def in_memory(person_id: str, name: str, role: Role) -> tuple[Person, PemSigner]:
    """A participant whose new key is in this process only."""
    key = ec.generate_private_key(ec.SECP256R1())
    der = _self_signed(person_id, public_key_info(key), PemSigner(key, b"").sign)
    return _person(person_id, name, role, der), PemSigner(key, der)


def as_pem(person_id: str, name: str, role: Role, *, pem: Path, passphrase: str, card: Path) -> Person:
    """Enrol with an encrypted PEM file (mode 0600) holding key and certificate.

    Raises:
        OutputExists: PEM or card exists; neither is touched.
    """
    check_absent(card)
    check_absent(pem)
    key = ec.generate_private_key(ec.SECP256R1())
    der = _self_signed(person_id, public_key_info(key), PemSigner(key, b"").sign)
    create(pem, pkcs8.encrypt(key, passphrase) + asn1_pem.armor("CERTIFICATE", der), 0o600)
    person = _person(person_id, name, role, der)
    try:
        cards.write(card, person)
    except BaseException:
        pem.unlink()
        raise
    return person


def on_token(person_id: str, name: str, role: Role, *, token: Token, card: Path) -> Person:
    """Enrol with a key made on the person's own token, opened writable.

    Raises:
        OutputExists: the card exists; the token is not touched.
        KeyLabelTaken: the token holds a certificate for this participant already.
        FeatureMissing: the token makes no P-256 keys.
    """
    check_absent(card)
    token.require_features(features.IDENTITY)
    label = f"kagimori {person_id}"
    if any(held == label for _, held, _ in token.certificates()):
        raise KeyLabelTaken(f"the token already holds a certificate {label!r}", "use that one, or another token")
    key_id = secrets.token_bytes(16)
    try:
        public = token.generate_signing_key(key_id, label)
        der = _self_signed(person_id, public, token.signer(b"", key_id=key_id).sign)
        token.store_certificate(key_id, label, der)
        person = _person(person_id, name, role, der)
        cards.write(card, person)
    except BaseException:
        with suppress(KeyMissing):
            token.destroy(key_id)
        raise
    return person


def _self_signed(person_id: str, public_key: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    now = datetime.now(UTC)
    return certificate.self_signed(person_id, public_key, sign, now, now + timedelta(days=365 * YEARS))


def _person(person_id: str, name: str, role: Role, der: bytes) -> Person:
    return Person(id=person_id, name=name, role=role, certificate=encode_certificate(der))
