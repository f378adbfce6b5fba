"""A certificate revocation list (RFC 5280, section 5): which cards an authority has taken back.

Only complete lists are taken: no delta, no indirect list, none for some reasons only. A list may be one of several by
distribution point, as large authorities cut them; then it speaks of the certificates that name this point. Whoever is
on a list is refused, whatever the reason given: a certificate on hold as well, until the authority lists it no more.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

from appliance.ledger.certificate import PublicKey
from appliance.portal.signin.profile import PARSING, SIGNATURES

LARGEST = 256 * 2**20  # bytes: some six million cards
SERIAL_BYTES = 20
_PEM = b"-----BEGIN X509 CRL-----"
_KNOWN = {ExtensionOID.CRL_NUMBER, ExtensionOID.ISSUING_DISTRIBUTION_POINT, ExtensionOID.AUTHORITY_KEY_IDENTIFIER}
_KNOWN_OF_ENTRY = {CRLEntryExtensionOID.CRL_REASON, CRLEntryExtensionOID.INVALIDITY_DATE}


class ListRefused(Exception):
    """The list cannot be taken; the text says why."""


class Serials:
    """Serial numbers in order, 20 bytes each and nothing around them: a million take 20 MB."""

    def __init__(self, serials: list[bytes]) -> None:
        serials.sort()
        self._bytes = b"".join(serials)

    def __len__(self) -> int:
        return len(self._bytes) // SERIAL_BYTES

    def __contains__(self, serial: int) -> bool:
        wanted = serial.to_bytes(SERIAL_BYTES)
        place = bisect_left(range(len(self)), wanted, key=self._at)
        return place < len(self) and self._at(place) == wanted

    def _at(self, place: int) -> bytes:
        return self._bytes[place * SERIAL_BYTES : (place + 1) * SERIAL_BYTES]


@dataclass(frozen=True)
class RevocationList:
    """A verified list. ``points``: the distribution points that it is for; none: all of the authority's cards."""

    number: int
    this_update: datetime
    next_update: datetime
    points: frozenset[x509.GeneralName]
    serials: Serials = field(repr=False)

    def is_for(self, named: frozenset[x509.GeneralName]) -> bool:
        """Whether it speaks of a certificate that names these distribution points (RFC 5280, section 6.3.3 (b) (2))."""
        return not self.points or bool(self.points & named)

    def covers(self, moment: datetime) -> bool:
        """Whether it is in force; there is no grace after the next update was due."""
        return self.this_update <= moment <= self.next_update


def parse(data: bytes) -> x509.CertificateRevocationList:
    """A list in DER or PEM; nothing in it is believed yet.

    Raises:
        ListRefused: not one list.
    """
    try:
        if data.lstrip().startswith(_PEM):
            if data.count(_PEM) != 1:
                raise ListRefused("more than one list in the file")
            return x509.load_pem_x509_crl(data)
        return x509.load_der_x509_crl(data)
    except PARSING:
        raise ListRefused("not a revocation list in DER or PEM") from None


def is_of(parsed: x509.CertificateRevocationList, authority: x509.Certificate, key: PublicKey) -> bool:
    """Whether the authority signed the list, under its own name."""
    try:
        if parsed.issuer.public_bytes() != authority.subject.public_bytes():
            return False
        return parsed.signature_algorithm_oid.dotted_string in SIGNATURES and parsed.is_signature_valid(key)
    except PARSING:
        return False


def take(parsed: x509.CertificateRevocationList) -> RevocationList:
    """What a list says, its signature having been verified.

    Raises:
        ListRefused: a delta, an indirect or a partial list, something critical that is unknown, no number, or no time
            of the next update.
    """
    try:
        number, points = _scope(parsed.extensions)
        this_update, next_update = parsed.last_update_utc, parsed.next_update_utc
        serials = Serials([_serial(revoked) for revoked in parsed])
    except PARSING as error:
        raise ListRefused(f"a part of it cannot be read ({type(error).__name__})") from None
    if next_update is None or next_update <= this_update:
        raise ListRefused("it does not tell when the next one is due (nextUpdate)")
    return RevocationList(number, this_update, next_update, points, serials)


def _scope(extensions: x509.Extensions) -> tuple[int, frozenset[x509.GeneralName]]:
    """The list's number, and the distribution points that it is for."""
    number: int | None = None
    points: frozenset[x509.GeneralName] = frozenset()
    for extension in extensions:
        match extension.value:
            case x509.DeltaCRLIndicator():
                raise ListRefused("a delta list; complete lists are needed")
            case x509.CRLNumber() as value:
                number = value.crl_number
            case x509.IssuingDistributionPoint() as value:
                points = _points(value)
            case _ if extension.critical and extension.oid not in _KNOWN:
                raise ListRefused(f"a critical extension that is not known here ({extension.oid.dotted_string})")
    if number is None:
        raise ListRefused("it has no number (cRLNumber)")
    return number, points


def _points(scope: x509.IssuingDistributionPoint) -> frozenset[x509.GeneralName]:
    if scope.indirect_crl:
        raise ListRefused("an indirect list")
    if scope.only_some_reasons or scope.only_contains_ca_certs or scope.only_contains_attribute_certs:
        raise ListRefused("not a list of every revoked card (issuingDistributionPoint)")
    if scope.relative_name is not None:
        raise ListRefused("a distribution point with a relative name")
    return frozenset(scope.full_name or ())


def _serial(revoked: x509.RevokedCertificate) -> bytes:
    for extension in revoked.extensions:
        if extension.oid == CRLEntryExtensionOID.CERTIFICATE_ISSUER:
            raise ListRefused("an indirect list")
        if extension.critical and extension.oid not in _KNOWN_OF_ENTRY:
            raise ListRefused("an entry with a critical extension that is not known here")
    return revoked.serial_number.to_bytes(SERIAL_BYTES)
