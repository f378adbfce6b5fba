"""The public half of a transport key as a ledger document carries it."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from appliance.ledger.certificate import allowed_key
from appliance.ledger.errors import CertificateInvalid

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
