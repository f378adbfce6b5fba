"""Who decides: people, their roles and certificates, and how many of them an action needs."""

from __future__ import annotations

import binascii
import unicodedata
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Literal, get_args

import msgspec

from appliance.ledger import certificate as certificates
from appliance.ledger.certificate import Certificate
from appliance.ledger.errors import CertificateInvalid, Malformed, RosterInvalid
from appliance.ledger.text import require_line

Role = Literal["officer", "oversight"]
PersonId = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,31}\Z")]
ThresholdClass = Literal["keys", "emergency", "destroy", "roster", "policy", "tokens"]
MAXIMUM_PEOPLE = 60


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One participant; ``certificate`` is base64 of the DER certificate."""

    id: PersonId
    name: str
    role: Role
    certificate: str


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many distinct officers and oversight members must approve."""

    officers: int
    oversight: int


class Roster(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All participants, and the threshold of each class of action."""

    people: tuple[Person, ...]
    thresholds: dict[ThresholdClass, Threshold]


DEFAULT_THRESHOLDS: Mapping[ThresholdClass, Threshold] = MappingProxyType(
    {
        "keys": Threshold(officers=2, oversight=1),
        "emergency": Threshold(officers=1, oversight=1),
        "destroy": Threshold(officers=3, oversight=1),
        "roster": Threshold(officers=3, oversight=1),
        "policy": Threshold(officers=3, oversight=1),
        "tokens": Threshold(officers=3, oversight=1),
    }
)


def encode_certificate(der: bytes) -> str:
    """A certificate as a ledger document carries it."""
    return b64encode(der).decode("ascii")


def decode_certificate(field: str, text: str) -> Certificate:
    """The certificate behind a document's base64.

    Raises:
        CertificateInvalid: not plain base64 of one allowed certificate; names the field.
    """
    try:
        der = b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CertificateInvalid(f"{field}: not base64: {error}") from error
    if encode_certificate(der) != text:
        raise CertificateInvalid(f"{field}: not the one base64 form of its bytes")
    try:
        return certificates.read(der)
    except CertificateInvalid as error:
        raise CertificateInvalid(f"{field}: {error.reason}") from error


def head_count(roster: Roster, role: Role) -> int:
    """How many people have the role."""
    return sum(person.role == role for person in roster.people)


def validate(roster: Roster) -> None:
    """Check every rule about a roster.

    Raises:
        RosterInvalid: naming the people or the threshold concerned.
    """
    if len(roster.people) > MAXIMUM_PEOPLE:
        raise RosterInvalid(f"roster: {len(roster.people)} people; at most {MAXIMUM_PEOPLE}")
    _require_unique("id", ((person.id, person.id) for person in roster.people))
    holders = {person.id: _certificate_of(person) for person in roster.people}
    _require_unique("certificate", ((holder.der, id_) for id_, holder in holders.items()))
    _require_unique("public key", ((holder.key_identity, id_) for id_, holder in holders.items()))
    _require_unique("certificate number", ((holder.issuer_and_serial, id_) for id_, holder in holders.items()))
    _require_separate_roles(roster)
    for name in get_args(ThresholdClass):
        _require_possible(roster, name)


def _certificate_of(person: Person) -> Certificate:
    try:
        require_line(f"roster: {person.id}: name", person.name)
        return decode_certificate(f"roster: {person.id}: certificate", person.certificate)
    except (CertificateInvalid, Malformed) as error:
        raise RosterInvalid(error.reason) from error


def _require_unique(what: str, pairs: Iterable[tuple[object, str]]) -> None:
    first: dict[object, str] = {}
    for value, person in pairs:
        if value in first:
            raise RosterInvalid(f"roster: {first[value]} and {person} have the same {what}")
        first[value] = person


def _require_separate_roles(roster: Roster) -> None:
    """People are told apart by their names when a plan is read aloud, so names count as well."""
    roles = Counter((_same_name(person.name), person.role) for person in roster.people)
    for person in roster.people:
        other: Role = "oversight" if person.role == "officer" else "officer"
        if roles[_same_name(person.name), other]:
            raise RosterInvalid(f"roster: {person.name} is both officer and oversight; nobody may be both")


def _same_name(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def _require_possible(roster: Roster, name: ThresholdClass) -> None:
    threshold = roster.thresholds.get(name)
    if threshold is None:
        raise RosterInvalid(f"roster: thresholds: {name} is missing")
    for role, needed in (("officer", threshold.officers), ("oversight", threshold.oversight)):
        there = head_count(roster, "officer" if role == "officer" else "oversight")
        if needed < 1:
            raise RosterInvalid(f"roster: thresholds: {name}: {needed} {role} approvals; at least 1 is needed")
        if needed > there:
            raise RosterInvalid(f"roster: thresholds: {name}: {needed} {role} approvals, but the roster has {there}")
