"""The public half of a transport key or a log key as a ledger document carries it."""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode, b64encode

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from appliance.ledger.certificate import allowed_key
from appliance.ledger.errors import CertificateInvalid
from appliance.ledger.servicekeys import raw_of

SHORTEST_TRANSPORT_KEY = 3072  # bits; SP 800-57 part 1, table 2: 128 bits of security


def encode_transport_key(info: bytes) -> str:
    """SubjectPublicKeyInfo (DER) as text."""
    return b64encode(info).decode("ascii")


def decode_transport_key(field: str, text: str) -> bytes:
    """The SubjectPublicKeyInfo behind a document's base64.

    Raises:
        CertificateInvalid: not plain base64 of one RSA key of 3072 to 8192 bits; names the field.
    """
    try:
        info = b64decode(text, validate=True)
        key = allowed_key(serialization.load_der_public_key(info))
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        raise CertificateInvalid(f"{field}: not base64 of a public key") from None
    except CertificateInvalid as error:
        raise CertificateInvalid(f"{field}: {error.reason}") from None
    if not isinstance(key, rsa.RSAPublicKey) or not SHORTEST_TRANSPORT_KEY <= key.key_size <= 8192:
        raise CertificateInvalid(f"{field}: must be an RSA key of {SHORTEST_TRANSPORT_KEY} to 8192 bits")
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    if key.public_bytes(serialization.Encoding.DER, form) != info or encode_transport_key(info) != text:
        raise CertificateInvalid(f"{field}: not the one encoding of its key")
    return info


def encode_log_key(info: bytes) -> str:
    """SubjectPublicKeyInfo (DER) of a log key as text."""
    return b64encode(info).decode("ascii")


def decode_log_key(field: str, text: str) -> bytes:
    """The SubjectPublicKeyInfo of a log key behind a document's base64.

    Raises:
        CertificateInvalid: not plain base64 of one Ed25519 key (RFC 8410); names the field.
    """
    try:
        info = b64decode(text, validate=True)
        raw_of(info)
    except (binascii.Error, ValueError):
        raise CertificateInvalid(f"{field}: not base64 of an Ed25519 public key") from None
    if encode_log_key(info) != text:
        raise CertificateInvalid(f"{field}: not the one encoding of its key")
    return info


def log_check_value(info: bytes) -> bytes:
    """The check value of a log key, 6 bytes: it signs and enciphers nothing, so its public key stands for it."""
    return hashlib.sha256(info).digest()[:6]
