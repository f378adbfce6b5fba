"""What a visitor pastes: CMS SignedData over a challenge, made by the card; read strictly, its signature verified.

The bytes are in the one form of `appliance.ledger.cms`, so each of them has a meaning; around them is base64, with the
armour of PEM or without (RFC 7468, section 9), so that plain ``openssl cms -verify -inform PEM`` reads an answer too.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from textwrap import wrap

from cryptography import x509

from appliance.ledger import cms
from appliance.ledger.errors import LedgerError, SignatureInvalid
from appliance.portal.signin.reasons import AnswerRefused, Reason

LONGEST = 65_536  # characters
BEGIN, END = "-----BEGIN CMS-----", "-----END CMS-----"


@dataclass(frozen=True)
class Answer:
    """A verified answer: the bytes that were signed, and the certificate (DER) whose key signed them."""

    document: bytes
    certificate: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, hex: what the journal calls a card by."""
        return hashlib.sha256(self.certificate).hexdigest()

    @property
    def serial(self) -> str:
        """The certificate's serial number, hex."""
        return f"{x509.load_der_x509_certificate(self.certificate).serial_number:x}"


def armoured(der: bytes) -> str:
    """An answer as text to be pasted."""
    return "\n".join((BEGIN, *wrap(b64encode(der).decode("ascii"), 64), END, ""))


def read(text: str) -> Answer:
    """The answer in what was pasted. White space may have been lost or gained on the way; nothing else.

    Raises:
        AnswerRefused: not base64 of SignedData of the one form with one signer, or a signature that does not verify.
    """
    try:
        signed = cms.verify(_der(text))
        if len(signed.signers) != 1:
            raise AnswerRefused(Reason.MALFORMED)
        return Answer(signed.content, signed.signers[0].certificate)
    except SignatureInvalid:
        raise AnswerRefused(Reason.BAD_SIGNATURE) from None
    except LedgerError:
        raise AnswerRefused(Reason.MALFORMED) from None


def _der(text: str) -> bytes:
    if len(text) > LONGEST or not text.isascii():
        raise AnswerRefused(Reason.MALFORMED)
    bare = text.strip()
    if bare.startswith(BEGIN) and bare.endswith(END):
        bare = bare.removeprefix(BEGIN).removesuffix(END)
    bare = "".join(bare.split())
    try:
        der = b64decode(bare, validate=True)
    except (binascii.Error, ValueError):
        raise AnswerRefused(Reason.MALFORMED) from None
    if b64encode(der).decode("ascii") != bare:  # padding bits that no byte comes from
        raise AnswerRefused(Reason.MALFORMED)
    return der
