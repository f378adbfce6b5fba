"""Participant cards: the small JSON file that a person brings to a genesis (id, name, role, certificate).

A card holds nothing secret. Its certificate's fingerprint is read aloud when the roster is made, so that a
card exchanged on the way does not pass.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from appliance.ledger.errors import LedgerError
from appliance.ledger.roster import Person, decode_certificate
from appliance.ledger.text import require_line
from keyceremony.errors import CardRefused
from keyceremony.words import words_of
from keyceremony.workspace import create, read


def write(path: Path, person: Person) -> None:
    """Write a card; never over another file."""
    create(path, msgspec.json.format(msgspec.json.encode(person), indent=2) + b"\n")


def load(path: Path) -> Person:
    """A card, checked.

    Raises:
        CardRefused: not a card, an unknown or missing field, or a certificate that does not hold.
    """
    try:
        person = msgspec.json.decode(read(path), type=Person)
        require_line("name", person.name)
        certificate_of(person)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CardRefused(f"{path}: not a participant card ({error})", "make one with keyceremony enroll") from None
    except LedgerError as error:
        raise CardRefused(f"{path}: {error.reason}", "make a new card with keyceremony enroll") from None
    return person


def certificate_of(person: Person) -> bytes:
    """The person's certificate, DER.

    Raises:
        CertificateInvalid: not the base64 of one allowed certificate.
    """
    return decode_certificate("certificate", person.certificate).der


def fingerprint_words(person: Person) -> tuple[str, ...]:
    """The read-aloud words of the person's certificate."""
    return words_of(certificate_of(person))
