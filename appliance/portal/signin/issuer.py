"""An authority that issues cards: its certificate from a file, and what it signed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from appliance.ledger.certificate import PublicKey, allowed_key
from appliance.portal.signin import profile
from appliance.portal.signin.files import read
from appliance.portal.signin.reasons import SignInUnusable

LARGEST = 65_536
_PEM = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True)
class Issuer:
    """An authority. ``key_der``: its SubjectPublicKeyInfo."""

    certificate: x509.Certificate
    key: PublicKey = field(repr=False)
    key_der: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """For messages."""
        return self.certificate.subject.rfc4514_string()


def load(path: Path) -> Issuer:
    """The authority whose certificate (PEM or DER) is in a file.

    Raises:
        SignInUnusable: it cannot be read, or is not a certificate that may vouch for cards and for their revocation.
    """
    data = read(path, LARGEST, "card authority")
    try:
        certificate = profile.read(_der(data))
        profile.require_authority(certificate)
    except (profile.Unreadable, profile.Unsuitable) as error:
        raise SignInUnusable(
            f"card authority {path}: {error}", "name the certificate of the authority that issues the cards"
        ) from None
    key = allowed_key(certificate.public_key())
    return Issuer(certificate, key, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _der(data: bytes) -> bytes:
    """One certificate.

    Raises:
        Unreadable: PEM of something else, or of several.
    """
    if not data.lstrip().startswith(b"-----"):
        return data
    if data.count(_PEM) != 1:
        raise profile.Unreadable("not exactly one certificate")
    with profile.strictly():
        return x509.load_pem_x509_certificate(data).public_bytes(Encoding.DER)
