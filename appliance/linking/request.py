"""The request file (kagimori/link-request/v1): whom a sector asks the numbering authority about."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from appliance.hubkit.linking import LinkRequest
from appliance.linking import files
from appliance.linking.errors import FileRefused
from appliance.linking.files import NewFile
from appliance.linking.sealed import EXISTING, MOST_PEOPLE, Part, SealedReader, SealedWriter
from appliance.matching.attributes import AttributesRefused, FourAttributes

FORMAT: Literal["kagimori/link-request/v1"] = "kagimori/link-request/v1"
Sector = Annotated[str, msgspec.Meta(pattern=r"^[A-Z][A-Za-z0-9]{0,31}\Z")]
Reference = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")]
Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Instant = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")]
Count = Annotated[int, msgspec.Meta(ge=0, le=MOST_PEOPLE)]


class Header(Part, frozen=True, kw_only=True):
    """The first line. ``reference`` is the sector's own note; it goes into the audit record of the conversion."""

    format: Literal["kagimori/link-request/v1"]
    sector: Sector
    reference: Reference
    created: Instant
    count: Count


class Person(Part, frozen=True, kw_only=True):
    """A line for each person."""

    existing: str
    name: str
    address: str
    birth_date: str
    sex: str


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request; ``sha256`` is that of its file."""

    header: Header
    sha256: str
    people: tuple[LinkRequest, ...] = field(repr=False)


def checked_letter(letter: str) -> str:
    """Raises FileRefused if a sector cannot be called that."""
    try:
        return msgspec.convert(letter, Sector)
    except msgspec.ValidationError:
        raise FileRefused("the sector must be a letter such as C, as in sspin.C") from None


def checked_reference(reference: str) -> str:
    """Raises FileRefused if a reference could not stand in a request."""
    try:
        return msgspec.convert(reference, Reference)
    except msgspec.ValidationError:
        hint = "a case number, say; nothing about a person"
        raise FileRefused("the reference must be 1 to 100 letters, digits and . _ -", hint) from None


def new_reference(sector: str, created: str) -> str:
    """A reference that no other request has: ``link-C-20260401-1f8a90c2``."""
    return f"link-{sector}-{created[:10].replace('-', '')}-{secrets.token_hex(4)}"


def write(file: NewFile, header: Header, people: Sequence[LinkRequest]) -> str:
    """Write a request into a new file, durable but not published; the SHA-256 of the file."""
    sealed = SealedWriter(file)
    sealed.write(header)
    for one in people:
        known = one.attributes
        sealed.write(
            Person(
                existing=one.existing,
                name=known.name,
                address=known.address,
                birth_date=known.birth_date,
                sex=known.sex,
            )
        )
    return sealed.seal()


def read(path: Path) -> Request:
    """Read a request, all of it, before any of it is used.

    Raises:
        FileRefused: a line breaks a rule, or the file is not whole.
        FileUnusable: it cannot be read.
    """
    with files.opened(path) as file:
        sealed = SealedReader(path, file)
        header = sealed.next(Header)
        people = []
        for person in sealed.rest(Person):
            people.append(_asked(sealed, person))
            if len(people) > header.count:
                raise sealed.refused(f"more people than the {header.count} of the first line")
        if len(people) != header.count:
            raise sealed.refused(f"{len(people)} people, but the first line says {header.count}")
    return Request(header, sealed.sha256, tuple(people))


def _asked(sealed: SealedReader, person: Person) -> LinkRequest:
    if EXISTING.fullmatch(person.existing) is None:
        raise sealed.refused("existing must be an existing number: letters and digits, at most 64 characters")
    try:
        attributes = FourAttributes(person.name, person.address, person.birth_date, person.sex)
    except AttributesRefused as error:
        raise sealed.refused(str(error)) from None
    return LinkRequest(person.existing, attributes)
