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

SHORTEST_TRANSPORT_KEY = 3072  # bits; SP 800-57 part 1, table 2: 128 bits of security

# SubjectPublicKeyInfo of an Ed25519 key: id-Ed25519 without parameters, then a BIT STRING (RFC 8410, section 4).
_INFO_HEAD = bytes.fromhex("302a300506032b6570032100")
PUBLIC_BYTES = 32


def info_of(raw: bytes) -> bytes:
    """SubjectPublicKeyInfo (DER) of a raw Ed25519 public key.

    Raises:
        ValueError: not 32 bytes.
    """
    if len(raw) != PUBLIC_BYTES:
        raise ValueError(f"an Ed25519 public key has {PUBLIC_BYTES} bytes, not {len(raw)}")
    return _INFO_HEAD + raw


def raw_of(info: bytes) -> bytes:
    """The 32 bytes of an Ed25519 public key (RFC 8032, section 5.1.5) in a SubjectPublicKeyInfo.

    Raises:
        ValueError: it is of another kind, or not the one encoding.
    """
    if len(info) != len(_INFO_HEAD) + PUBLIC_BYTES or not info.startswith(_INFO_HEAD):
        raise ValueError("not the SubjectPublicKeyInfo of an Ed25519 key (RFC 8410)")
    return info[len(_INFO_HEAD) :]


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
