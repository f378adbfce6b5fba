"""Signers whose key is in this process: participants who keep their key as an encrypted PEM file.

Shaped like `appliance.ledger.cms.Signer`; a key on a token gives one of the same shape
(`appliance.token.Token.signer`).
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

from appliance.ledger.certificate import read as read_certificate
from keyceremony.errors import KeyNotTheirs
from keyceremony.people import pkcs8
from keyceremony.workspace import read


class PemSigner:
    """A private key held in memory, with its certificate."""

    def __init__(self, key: pkcs8.PrivateKey, certificate: bytes) -> None:
        self._key = key
        self.certificate = certificate

    def sign(self, message: bytes) -> bytes:
        """Signature over SHA-256 of the message (FIPS 186-5; RFC 8017 section 8.2 for RSA)."""
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            return self._key.sign(message, ec.ECDSA(hashes.SHA256()))
        return self._key.sign(message, padding.PKCS1v15(), hashes.SHA256())


def public_key_info(key: pkcs8.PrivateKey) -> bytes:
    """SubjectPublicKeyInfo (DER) of a private key's public part."""
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(encoding, form)


def load_pem(path: Path, passphrase: str, certificate: bytes) -> PemSigner:
    """The signer of a PEM file, for the certificate its owner has in the roster.

    Raises:
        SecretRefused: wrong passphrase, or not an encrypted key.
        KeyNotTheirs: the key is not the one the certificate names.
    """
    key = pkcs8.decrypt(read(path), passphrase)
    if public_key_info(key) != read_certificate(certificate).public_key_der:
        raise KeyNotTheirs(
            f"{path}: its key is not the one of the certificate in the roster", "take the key this person enrolled with"
        )
    return PemSigner(key, certificate)
