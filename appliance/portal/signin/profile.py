"""What a certificate must say of itself, to sign in with or to vouch for others, out of RFC 5280.

Whatever is marked critical and not known here is refused (RFC 5280, section 4.2). Who signed the certificate, and
whether it is in force, is asked elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from appliance.ledger import certificate as certificates
from appliance.ledger import warned
from appliance.ledger.algorithms import ALGORITHMS
from appliance.ledger.errors import CertificateInvalid

E = TypeVar("E", bound=x509.ExtensionType)
SIGNATURES = frozenset(row.signature_oid for row in ALGORITHMS)
LARGEST_SERIAL = 2**160 - 1  # RFC 5280, section 4.1.2.2: positive, 20 octets at most
_KNOWN = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.CERTIFICATE_POLICIES,  # any policy of an authority that the operator has named is accepted
    ExtensionOID.CRL_DISTRIBUTION_POINTS,
}
_SIGNING_IN = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


PARSING = (  # what the parser raises, often only when a field is asked for
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


class Unreadable(Exception):
    """Not one certificate in the form that is read."""


class Unsuitable(Exception):
    """The certificate says that it is not for this."""


@contextmanager
def strictly() -> Iterator[None]:
    """What the parser refuses or warns of is refused here; it reads a field when that is asked for.

    Raises:
        Unreadable: instead of any of that.
    """
    try:
        with warned.refused():
            yield
    except (*PARSING, CertificateInvalid, Warning) as error:
        raise Unreadable(str(error).partition("\n")[0]) from None


def read(der: bytes) -> x509.Certificate:
    """A certificate (DER) of version 3 with an allowed key, serial number and signature algorithm.

    Raises:
        Unreadable: anything else.
    """
    with strictly():
        certificates.read(der)
        parsed = x509.load_der_x509_certificate(der)
        if parsed.version is not x509.Version.v3:
            raise Unreadable("not of version 3")
        if not 0 < parsed.serial_number <= LARGEST_SERIAL:
            raise Unreadable("a serial number that is not positive or has more than 20 octets")
        if parsed.signature_algorithm_oid.dotted_string not in SIGNATURES:
            raise Unreadable("signed by an algorithm that is not allowed")
        return parsed


def require_for_signing_in(certificate: x509.Certificate) -> None:
    """Raises unless a person may sign in with it.

    Raises:
        Unreadable: an extension cannot be read, or is there twice.
        Unsuitable: an authority's, no digital signature, other purposes, or something critical that is unknown.
    """
    with strictly():
        extensions = certificate.extensions
        _require_known(extensions)
        constraints, usage = _value(extensions, x509.BasicConstraints), _value(extensions, x509.KeyUsage)
        purposes = _value(extensions, x509.ExtendedKeyUsage)
        if constraints is not None and constraints.ca:
            raise Unsuitable("an authority's own certificate")
        if usage is None or not usage.digital_signature:
            raise Unsuitable("its key is not for digital signatures")
        if purposes is not None and not _SIGNING_IN & set(purposes):
            raise Unsuitable("its key is for other purposes than signing in")


def require_authority(certificate: x509.Certificate) -> None:
    """Raises unless it may vouch for certificates and for their revocation.

    Raises:
        Unreadable, Unsuitable: it may not.
    """
    with strictly():
        extensions = certificate.extensions
        _require_known(extensions)
        constraints, usage = _value(extensions, x509.BasicConstraints), _value(extensions, x509.KeyUsage)
        if constraints is None or not constraints.ca:
            raise Unsuitable("not an authority's certificate (basicConstraints)")
        if usage is None or not (usage.key_cert_sign and usage.crl_sign):
            raise Unsuitable("its key may not sign certificates and revocation lists (keyUsage)")
        if certificate.issuer == certificate.subject and not is_issued_by(certificate, certificate):
            raise Unreadable("its own signature does not verify")


def lists_named(certificate: x509.Certificate) -> frozenset[x509.GeneralName]:
    """Where the certificate says that its revocation is told (RFC 5280, section 4.2.1.13).

    Raises:
        Unreadable: the extension cannot be read.
    """
    with strictly():
        points = _value(certificate.extensions, x509.CRLDistributionPoints)
        return frozenset(name for point in points or () for name in point.full_name or ())


def is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether the authority's key signed it, under the authority's name, byte for byte; both by `read`."""
    if certificate.issuer.public_bytes() != authority.subject.public_bytes():
        return False
    try:
        certificate.verify_directly_issued_by(authority)  # the two notes of the algorithm are compared here as well
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _value(extensions: x509.Extensions, kind: type[E]) -> E | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _require_known(extensions: x509.Extensions) -> None:
    if any(extension.critical and extension.oid not in _KNOWN for extension in extensions):
        raise Unsuitable("something critical in it is not known here")
