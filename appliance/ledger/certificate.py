"""Certificates: reading one strictly, and making the self-signed one of a participant or the appliance.

Trust never comes from a certificate's signature here but from the roster (or the genesis
outcome) that holds the very same bytes; the certificate binds a name and a validity to a key,
and lets plain OpenSSL verify the files. Profile: X.509 v3 (RFC 5280).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from asn1crypto import algos, keys
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from appliance.ledger import warned
from appliance.ledger.der import ASN1_ERRORS, first_line, sequence
from appliance.ledger.errors import CertificateInvalid

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
MAXIMUM_CERTIFICATE = 16 * 1024
_CURVES = ("secp256r1", "secp384r1")
_RSA_BITS = (2048, 8192)
_FIRST_GENERALIZED_YEAR = 2050  # RFC 5280, 4.1.2.5: UTCTime until 2049


@dataclass(frozen=True)
class Certificate:
    """What the ledger needs of a certificate.

    ``issuer_and_serial`` is the DER of CMS IssuerAndSerialNumber; ``key_identity`` a SHA-256
    over the key itself, the same whatever encoding or certificate carries it.
    """

    der: bytes
    subject: str
    public_key: PublicKey
    public_key_der: bytes
    key_identity: bytes
    issuer_and_serial: bytes
    not_before: datetime
    not_after: datetime

    @property
    def curve(self) -> str | None:
        """The curve's name, None for RSA."""
        return None if isinstance(self.public_key, rsa.RSAPublicKey) else self.public_key.curve.name

    def covers(self, moment: datetime) -> bool:
        """Whether the certificate is valid at that moment."""
        return self.not_before <= moment <= self.not_after


@lru_cache(maxsize=256)
def read(der: bytes) -> Certificate:
    """Parse a certificate.

    Raises:
        CertificateInvalid: not exactly one DER certificate, or a key other than EC P-256,
            EC P-384 or RSA of 2048 to 8192 bits.
    """
    if len(der) > MAXIMUM_CERTIFICATE:
        raise CertificateInvalid(f"a certificate of {len(der)} bytes; at most {MAXIMUM_CERTIFICATE} are read")
    with _read_strictly():
        return _facts(der)


@contextmanager
def _read_strictly() -> Iterator[None]:
    """What the parsers refuse or warn of (a serial number of 0, a name of no letters) is refused here.

    They read a field when it is asked for, so whatever asks for one stands inside.
    """
    try:
        with warned.refused():
            yield
    except (*ASN1_ERRORS, UnsupportedAlgorithm, x509.InvalidVersion, Warning) as error:
        raise CertificateInvalid(f"a certificate cannot be read: {first_line(error)}") from error


def _facts(der: bytes) -> Certificate:
    parsed = x509.load_der_x509_certificate(der)
    raw = asn1.Certificate.load(der, strict=True)["tbs_certificate"]
    public_key = allowed_key(parsed.public_key())
    return Certificate(
        der=der,
        subject=parsed.subject.rfc4514_string(),
        public_key=public_key,
        public_key_der=public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        key_identity=key_identity(public_key),
        issuer_and_serial=sequence(raw["issuer"].dump(), raw["serial_number"].dump()),
        not_before=parsed.not_valid_before_utc,
        not_after=parsed.not_valid_after_utc,
    )


def allowed_key(key: object) -> PublicKey:
    """The key, if it is of an allowed kind.

    Raises:
        CertificateInvalid: another algorithm, curve, size or exponent.
    """
    match key:
        case ec.EllipticCurvePublicKey():
            if key.curve.name not in _CURVES:
                raise CertificateInvalid(f"a key on curve {key.curve.name}; allowed: P-256 and P-384")
            return key
        case rsa.RSAPublicKey():
            if not _RSA_BITS[0] <= key.key_size <= _RSA_BITS[1]:
                raise CertificateInvalid(f"an RSA key of {key.key_size} bits; allowed: 2048 to 8192")
            if not 2**16 < key.public_numbers().e < 2**256:  # FIPS 186-5, 5.1
                raise CertificateInvalid("an RSA key whose public exponent is outside 2**16 to 2**256")
            return key
        case _:
            raise CertificateInvalid("a key that is neither EC nor RSA")


def key_identity(key: PublicKey) -> bytes:
    """SHA-256 that two public keys share exactly when one secret serves both.

    The y coordinate and the RSA exponent are left out: whoever knows the secret of (x, y) knows
    that of (x, -y), and likewise for another exponent of the same modulus.
    """
    if isinstance(key, rsa.RSAPublicKey):
        return hashlib.sha256(f"rsa {key.public_numbers().n:x}".encode()).digest()
    return hashlib.sha256(f"{key.curve.name} {key.public_numbers().x:x}".encode()).digest()


def check_signature(key: PublicKey, signature: bytes, message: bytes, digest: hashes.HashAlgorithm) -> bool:
    """Whether the signature (ECDSA: DER; RSA: PKCS#1 v1.5) is the key's over the message."""
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), digest)
        else:
            key.verify(signature, message, ec.ECDSA(digest))
    except (InvalidSignature, ValueError):
        return False
    return True


def require_self_signed(der: bytes) -> Certificate:
    """Read a certificate that its own key must have signed.

    Raises:
        CertificateInvalid: unreadable, or issued by somebody else.
    """
    certificate = read(der)
    with _read_strictly():
        good = _is_self_signed(x509.load_der_x509_certificate(der), certificate.public_key)
    if not good:
        raise CertificateInvalid(f"the certificate of {certificate.subject} is not signed by its own key")
    return certificate


def _is_self_signed(parsed: x509.Certificate, key: PublicKey) -> bool:
    digest = parsed.signature_hash_algorithm
    return (
        parsed.issuer == parsed.subject
        and isinstance(digest, hashes.SHA256 | hashes.SHA384 | hashes.SHA512)
        and check_signature(key, parsed.signature, parsed.tbs_certificate_bytes, digest)
    )


def self_signed(
    subject_common_name: str,
    public_key_spki_der: bytes,
    sign: Callable[[bytes], bytes],
    not_before: datetime,
    not_after: datetime,
) -> bytes:
    """Make a self-signed X.509 v3 certificate (DER) for signing and nothing else.

    ``sign`` takes the bytes to be signed and returns the signature with SHA-256 (ECDSA: DER
    Ecdsa-Sig-Value; RSA: PKCS#1 v1.5). The result is read back and checked.

    Raises:
        CertificateInvalid: the key is not allowed, the name or validity impossible, or ``sign``
            did not use the key's own secret.
    """
    if not 1 <= len(subject_common_name) <= 64:  # RFC 5280, appendix A.1: ub-common-name
        raise CertificateInvalid("subject: a common name has 1 to 64 characters")
    if not_before >= not_after:
        raise CertificateInvalid("validity: it must end after it begins")
    try:
        key = allowed_key(load_der_public_key(public_key_spki_der))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateInvalid(f"the public key cannot be read: {error}") from error
    algorithm = _signature_algorithm(key)
    body = _to_be_signed(subject_common_name, public_key_spki_der, algorithm, not_before, not_after)
    signature = sign(body.dump())
    made = asn1.Certificate({"tbs_certificate": body, "signature_algorithm": algorithm, "signature_value": signature})
    der = bytes(made.dump())
    require_self_signed(der)
    return der


def _signature_algorithm(key: PublicKey) -> algos.SignedDigestAlgorithm:
    name = "sha256_rsa" if isinstance(key, rsa.RSAPublicKey) else "sha256_ecdsa"
    return algos.SignedDigestAlgorithm({"algorithm": name})


def _to_be_signed(
    name: str, spki: bytes, algorithm: algos.SignedDigestAlgorithm, not_before: datetime, not_after: datetime
) -> asn1.TbsCertificate:
    subject = asn1.Name.build({"common_name": name})
    public_key = keys.PublicKeyInfo.load(spki, strict=True)
    return asn1.TbsCertificate(
        {
            "version": "v3",
            "serial_number": secrets.randbits(158) | 1 << 158,  # RFC 5280, 4.1.2.2: positive, up to 20 octets
            "signature": algorithm,
            "issuer": subject,
            "validity": {"not_before": _time(not_before), "not_after": _time(not_after)},
            "subject": subject,
            "subject_public_key_info": public_key,
            "extensions": [
                {"extn_id": "basic_constraints", "critical": True, "extn_value": {"ca": False}},
                {"extn_id": "key_usage", "critical": True, "extn_value": {"digital_signature"}},
                {"extn_id": "key_identifier", "critical": False, "extn_value": public_key.sha1},
            ],
        }
    )


def _time(moment: datetime) -> asn1.Time:
    whole = moment.astimezone(UTC).replace(microsecond=0)
    return asn1.Time({"utc_time" if whole.year < _FIRST_GENERALIZED_YEAR else "general_time": whole})
