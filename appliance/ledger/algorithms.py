"""The signature algorithms that ledger files may use: this table and nothing else.

ECDSA (P-256, P-384) and RSA PKCS#1 v1.5, each with SHA-256, SHA-384 or SHA-512 for the content
and the signature alike. Identifiers are written exactly as RFC 5754 (sections 2 and 3) has them:
digests and ECDSA without parameters, RSA with NULL.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from appliance.ledger.certificate import PublicKey
from appliance.ledger.der import oid, sequence
from appliance.ledger.errors import MalformedCms

_NULL = b"\x05\x00"


@dataclass(frozen=True)
class Algorithm:
    """One row. ``digest`` is hashlib's name; the identifiers are DER AlgorithmIdentifiers."""

    kind: str
    digest: str
    hash: hashes.HashAlgorithm
    digest_oid: str
    signature_oid: str

    @property
    def digest_identifier(self) -> bytes:
        """AlgorithmIdentifier of the digest."""
        return sequence(oid(self.digest_oid))

    @property
    def signature_identifier(self) -> bytes:
        """AlgorithmIdentifier of the signature."""
        return sequence(oid(self.signature_oid), _NULL) if self.kind == "rsa" else sequence(oid(self.signature_oid))


_SHA2 = "2.16.840.1.101.3.4.2."
ALGORITHMS = (
    Algorithm("ec", "sha256", hashes.SHA256(), _SHA2 + "1", "1.2.840.10045.4.3.2"),
    Algorithm("ec", "sha384", hashes.SHA384(), _SHA2 + "2", "1.2.840.10045.4.3.3"),
    Algorithm("ec", "sha512", hashes.SHA512(), _SHA2 + "3", "1.2.840.10045.4.3.4"),
    Algorithm("rsa", "sha256", hashes.SHA256(), _SHA2 + "1", "1.2.840.113549.1.1.11"),
    Algorithm("rsa", "sha384", hashes.SHA384(), _SHA2 + "2", "1.2.840.113549.1.1.12"),
    Algorithm("rsa", "sha512", hashes.SHA512(), _SHA2 + "3", "1.2.840.113549.1.1.13"),
)


def algorithm_for(key: PublicKey, digest: str) -> Algorithm:
    """The row for a key and a digest's name.

    Raises:
        MalformedCms: no such row.
    """
    for row in ALGORITHMS:
        if (row.kind, row.digest) == (_kind(key), digest):
            return row
    raise MalformedCms(f"{digest} is not an allowed digest; allowed: sha256, sha384, sha512")


def identify(key: PublicKey, digest_oid: str, signature_oid: str) -> Algorithm:
    """The row that a SignerInfo's two identifiers name, for the signer's kind of key.

    Raises:
        MalformedCms: no such row.
    """
    for row in ALGORITHMS:
        if (row.kind, row.digest_oid, row.signature_oid) == (_kind(key), digest_oid, signature_oid):
            return row
    raise MalformedCms(f"signature algorithm {signature_oid} with digest {digest_oid} is not allowed for the key")


def _kind(key: PublicKey) -> str:
    return "rsa" if isinstance(key, rsa.RSAPublicKey) else "ec"
