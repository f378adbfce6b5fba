"""Signed files: CMS SignedData (RFC 5652) in exactly one form, so that no byte is without meaning.

The form: content attached (id-data); every signer known by issuer and serial number; the signed
attributes content-type, message-digest, signing-time and signing-certificate-v2 (RFC 5035); the
signers' certificates and no others; no CRLs, no unsigned attributes. `verify` takes from a file
only what it then checks, writes the whole file anew from that, and demands the same bytes; the
one freedom left in a signature, the sign of ECDSA's ``s``, is fixed to the lower half. Who the
signers are, and whether they suffice, is not decided here but in `appliance.ledger.quorum`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from asn1crypto import cms as asn1
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from appliance.ledger import certificate as certificates
from appliance.ledger.algorithms import Algorithm, algorithm_for, identify
from appliance.ledger.canonical import MAXIMUM_SIZE
from appliance.ledger.certificate import Certificate
from appliance.ledger.der import (
    ASN1_ERRORS,
    CONTEXT_0,
    GENERALIZED_TIME,
    INTEGER,
    OCTET_STRING,
    SET,
    UTC_TIME,
    first_line,
    oid,
    sequence,
    set_of,
    tlv,
)
from appliance.ledger.errors import MalformedCms, NotCanonical, SignatureInvalid

MAXIMUM_SIGNERS = 64
_VERSION_1 = tlv(INTEGER, b"\x01")
_ID_DATA, _ID_SIGNED_DATA = oid("1.2.840.113549.1.7.1"), oid("1.2.840.113549.1.7.2")
_CONTENT_TYPE, _MESSAGE_DIGEST, _SIGNING_TIME, _SIGNING_CERTIFICATE = map(
    oid, ("1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4", "1.2.840.113549.1.9.5", "1.2.840.113549.1.9.16.2.47")
)
_ORDERS = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": int("F" * 48 + "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16),
}


class Signer(Protocol):
    """Whoever can sign: a key on a token, or one in memory.

    ``sign`` returns the signature value as CMS wants it (ECDSA: DER Ecdsa-Sig-Value; RSA:
    PKCS#1 v1.5), with SHA-256, over the whole message.
    """

    @property
    def certificate(self) -> bytes:
        """The signer's certificate (DER)."""

    def sign(self, message: bytes) -> bytes:
        """The signature over the message."""


@dataclass(frozen=True)
class Signature:
    """One verified signature. ``certificate`` and ``public_key`` (SubjectPublicKeyInfo) are DER."""

    certificate: bytes
    public_key: bytes
    signing_time: datetime


@dataclass(frozen=True)
class Signed:
    """A verified file: its content, and who signed it, in the file's order."""

    content: bytes
    signers: tuple[Signature, ...]


@dataclass(frozen=True)
class _SignerPart:
    """What a SignerInfo says, and all that it says."""

    certificate: Certificate
    algorithm: Algorithm
    signing_time: datetime
    signature: bytes


def sign(content: bytes, signer: Signer, signing_time: datetime, *, digest: str = "sha256") -> bytes:
    """DER SignedData with the content attached and one signer; verified before it is returned.

    ``digest`` names what ``signer.sign`` hashes with, should that not be SHA-256.

    Raises:
        CertificateInvalid: the signer's certificate has no allowed key.
        SignatureInvalid: the signer's signature does not verify.
    """
    if signing_time.tzinfo is None:
        raise ValueError("signing_time needs a time zone")
    holder = certificates.read(signer.certificate)
    algorithm = algorithm_for(holder.public_key, digest)
    moment = signing_time.astimezone(UTC).replace(microsecond=0)
    message = _signed_attributes(content, holder, algorithm, moment)
    value = _lower_half(holder, signer.sign(message))
    made = _assemble(content, [_SignerPart(holder, algorithm, moment, value)])
    verify(made)
    return made


def merge(approvals: Sequence[bytes]) -> bytes:
    """One SignedData with the signers of all, which must have signed the same content.

    Raises:
        MalformedCms: none given, or they differ in content; and whatever `verify` raises.
    """
    taken = [_take_apart(approval) for approval in approvals]
    if len({content for content, _ in taken}) != 1:
        raise MalformedCms("approvals can be joined only if all are of the same plan, byte for byte")
    merged = _assemble(taken[0][0], [part for _, parts in taken for part in parts])
    verify(merged)
    return merged


def verify(der: bytes) -> Signed:
    """Check every signature in a file, and that the file is in the one accepted form.

    Raises:
        MalformedCms: not SignedData of the form above.
        CertificateInvalid: a certificate that cannot be read, or with a key not allowed.
        SignatureInvalid: the content or a signature was changed.
        NotCanonical: the bytes differ from the one encoding of what they say.
    """
    content, parts = _take_apart(der)
    if _assemble(content, parts) != der:
        raise NotCanonical("the file is not the one DER encoding of what it says, or says more than it may")
    for part in parts:
        message = _signed_attributes(content, part.certificate, part.algorithm, part.signing_time)
        _require_signature(part, message)
    return Signed(
        content,
        tuple(Signature(p.certificate.der, p.certificate.public_key_der, p.signing_time) for p in parts),
    )


def _take_apart(der: bytes) -> tuple[bytes, list[_SignerPart]]:
    """The parts of a file; nothing is believed yet."""
    if len(der) > MAXIMUM_SIZE:
        raise MalformedCms(f"a file of {len(der)} bytes; at most {MAXIMUM_SIZE} are read")
    try:
        outer = asn1.ContentInfo.load(der, strict=True)
        if outer["content_type"].native != "signed_data":
            raise MalformedCms("not CMS SignedData")
        data = outer["content"]
        content = data["encap_content_info"]["content"].native
        if not isinstance(content, bytes):
            raise MalformedCms("the file has no content of type id-data attached")
        holders = {holder.issuer_and_serial: holder for holder in _certificates(data)}
        infos = list(data["signer_infos"])
        if not 1 <= len(infos) <= MAXIMUM_SIGNERS:
            raise MalformedCms(f"the file has {len(infos)} signatures; it needs 1 to {MAXIMUM_SIGNERS}")
        if len({info.dump() for info in infos}) != len(infos):  # a SET OF may hold equals, and they say nothing more
            raise NotCanonical("the file holds the same signature twice")
        return content, [_signer_part(info, holders, content) for info in infos]
    except ASN1_ERRORS as error:
        raise MalformedCms(f"not CMS SignedData in DER: {first_line(error)}") from error


def _certificates(data: asn1.SignedData) -> list[Certificate]:
    choices = list(data["certificates"])
    if not 1 <= len(choices) <= MAXIMUM_SIGNERS:
        raise MalformedCms(f"the file has {len(choices)} certificates; it needs 1 to {MAXIMUM_SIGNERS}")
    if any(choice.name != "certificate" for choice in choices):
        raise MalformedCms("the file holds something else than certificates among them")
    found = [certificates.read(choice.chosen.dump()) for choice in choices]
    if len({holder.issuer_and_serial for holder in found}) != len(found):
        raise MalformedCms("two certificates of the file share issuer and serial number")
    return found


def _signer_part(info: asn1.SignerInfo, holders: dict[bytes, Certificate], content: bytes) -> _SignerPart:
    holder = holders.get(info["sid"].chosen.dump())
    if holder is None:
        raise MalformedCms("a signature's certificate is not in the file")
    algorithm = identify(
        holder.public_key, info["digest_algorithm"]["algorithm"].dotted, info["signature_algorithm"]["algorithm"].dotted
    )
    attributes = {attribute["type"].native: attribute["values"] for attribute in info["signed_attrs"]}
    if attributes["message_digest"][0].native != hashlib.new(algorithm.digest, content).digest():
        raise SignatureInvalid(f"the content is not what {holder.subject} signed")
    moment = attributes["signing_time"][0].native
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise MalformedCms("a signing time is not a time")
    return _SignerPart(holder, algorithm, moment.astimezone(UTC), info["signature"].native)


def _assemble(content: bytes, parts: Iterable[_SignerPart]) -> bytes:
    """The whole file from its parts (RFC 5652, sections 3 and 5.1)."""
    signers = list(parts)
    signed_data = sequence(
        _VERSION_1,
        set_of(*{part.algorithm.digest_identifier for part in signers}),
        sequence(_ID_DATA, tlv(CONTEXT_0, tlv(OCTET_STRING, content))),
        set_of(*{part.certificate.der for part in signers}, tag=CONTEXT_0),
        set_of(*(_signer_info(content, part) for part in signers)),
    )
    return sequence(_ID_SIGNED_DATA, tlv(CONTEXT_0, signed_data))


def _signer_info(content: bytes, part: _SignerPart) -> bytes:
    """SignerInfo (RFC 5652, section 5.3); the signed attributes carry an implicit [0] here."""
    attributes = _signed_attributes(content, part.certificate, part.algorithm, part.signing_time)
    return sequence(
        _VERSION_1,
        part.certificate.issuer_and_serial,
        part.algorithm.digest_identifier,
        bytes((CONTEXT_0,)) + attributes[1:],
        part.algorithm.signature_identifier,
        tlv(OCTET_STRING, part.signature),
    )


def _signed_attributes(content: bytes, holder: Certificate, algorithm: Algorithm, moment: datetime) -> bytes:
    """The bytes that are signed (RFC 5652, section 5.4): the attributes as a SET OF."""
    content_digest = hashlib.new(algorithm.digest, content).digest()
    # RFC 5035, section 3: ESSCertIDv2 leaves out its default, SHA-256; the SignerInfo names issuer and serial.
    certificate_id = sequence(tlv(OCTET_STRING, hashlib.sha256(holder.der).digest()))
    return set_of(
        sequence(_CONTENT_TYPE, tlv(SET, _ID_DATA)),
        sequence(_MESSAGE_DIGEST, tlv(SET, tlv(OCTET_STRING, content_digest))),
        sequence(_SIGNING_TIME, tlv(SET, _time(moment))),
        sequence(_SIGNING_CERTIFICATE, tlv(SET, sequence(sequence(certificate_id)))),
    )


def _time(moment: datetime) -> bytes:
    """RFC 5652, section 11.3: UTCTime from 1950 to 2049, GeneralizedTime otherwise."""
    rest = f"{moment:%m%d%H%M%S}Z"
    if 1950 <= moment.year <= 2049:
        return tlv(UTC_TIME, f"{moment.year % 100:02d}{rest}".encode())
    return tlv(GENERALIZED_TIME, f"{moment.year:04d}{rest}".encode())


def _require_signature(part: _SignerPart, message: bytes) -> None:
    if _lower_half(part.certificate, part.signature) != part.signature:
        raise NotCanonical("an ECDSA signature is not in its lower form (s at most half the order)")
    key, digest = part.certificate.public_key, part.algorithm.hash
    if not certificates.check_signature(key, part.signature, message, digest):
        raise SignatureInvalid(f"the signature of {part.certificate.subject} does not verify")


def _lower_half(holder: Certificate, signature: bytes) -> bytes:
    """An ECDSA signature in strict DER with ``s`` at most half the order; RSA's as it is."""
    order = _ORDERS.get(holder.curve or "rsa")
    if order is None:
        return signature
    try:
        r, s = decode_dss_signature(signature)
    except ValueError as error:
        raise SignatureInvalid(f"the signature of {holder.subject} is not an ECDSA signature") from error
    return encode_dss_signature(r, min(s, order - s) if 0 < s < order else s)
