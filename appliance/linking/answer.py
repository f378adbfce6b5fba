"""The answer file (kagimori/link-answer/v1): a linkage number for each person found, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from appliance.hubkit.linking import TOLD, Linked, Linking, Unmatched
from appliance.hubkit.wire import domain_of
from appliance.linking import files
from appliance.linking.files import NewFile
from appliance.linking.request import Count, Digest, Instant, Reference, Request, Sector
from appliance.linking.sealed import EXISTING, Part, SealedReader, SealedWriter
from appliance.matching.decision import Outcome

FORMAT: Literal["kagimori/link-answer/v1"] = "kagimori/link-answer/v1"
Number = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{2,129}\Z")]
Generation = Annotated[str, msgspec.Meta(pattern=r"^sspin\.[A-Z][A-Za-z0-9]{0,31}\.[1-9][0-9]{0,4}\Z")]


class Header(Part, frozen=True, kw_only=True):
    """The first line. ``request``: SHA-256 of the file that it answers; ``generation`` made the numbers."""

    format: Literal["kagimori/link-answer/v1"]
    sector: Sector
    reference: Reference
    request: Digest
    created: Instant
    generation: Generation | None
    linked: Count
    unmatched: Count


class Line(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A line for each person of the request, those with a number first: a number, or outcome and reasons."""

    existing: str
    number: Number | None = None
    outcome: Literal["ambiguous", "not_found"] | None = None
    reasons: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; ``sha256`` is that of its file."""

    header: Header
    sha256: str
    linking: Linking


def write(file: NewFile, request: Request, linking: Linking, created: str) -> str:
    """Write an answer into a new file, durable but not published; the SHA-256 of the file."""
    sealed = SealedWriter(file)
    sealed.write(
        Header(
            format=FORMAT,
            sector=request.header.sector,
            reference=request.header.reference,
            request=request.sha256,
            created=created,
            generation=linking.generation,
            linked=len(linking.linked),
            unmatched=len(linking.unmatched),
        )
    )
    for line in _lines(linking):
        sealed.write(line)
    return sealed.seal()


def _lines(linking: Linking) -> Iterator[Line]:
    for linked in linking.linked:
        yield Line(existing=linked.existing, number=linked.number)
    for one in linking.unmatched:
        outcome: Literal["ambiguous", "not_found"] = "ambiguous" if one.outcome is Outcome.AMBIGUOUS else "not_found"
        yield Line(existing=one.existing, outcome=outcome, reasons=one.reasons)


def read(path: Path) -> Answer:
    """Read an answer, all of it, before any of it is used.

    Raises:
        FileRefused: a line breaks a rule, the counts are others, or the file is not whole.
        FileUnusable: it cannot be read.
    """
    with files.opened(path) as file:
        sealed = SealedReader(path, file)
        header = sealed.next(Header)
        linked: list[Linked] = []
        unmatched: list[Unmatched] = []
        for line in sealed.rest(Line):
            one = _told(sealed, line)
            if isinstance(one, Linked):
                linked.append(one)
            else:
                unmatched.append(one)
            if len(linked) > header.linked or len(unmatched) > header.unmatched:
                raise _miscounted(sealed, header)
        if (len(linked), len(unmatched)) != (header.linked, header.unmatched):
            raise _miscounted(sealed, header)
    _check_generation(sealed, header)
    return Answer(header, sealed.sha256, Linking(header.generation, tuple(linked), tuple(unmatched)))


def _told(sealed: SealedReader, line: Line) -> Linked | Unmatched:
    if EXISTING.fullmatch(line.existing) is None:
        raise sealed.refused("existing is no existing number")
    match line:
        case Line(number=str(number), outcome=None, reasons=None):
            return Linked(line.existing, number)
        case Line(number=None, outcome=str(outcome), reasons=tuple(reasons)):
            if not reasons or not set(reasons) <= set(TOLD):
                raise sealed.refused("needs reasons of the format's list")
            return Unmatched(line.existing, Outcome(outcome), reasons)
    raise sealed.refused("needs either a number, or outcome and reasons")


def _miscounted(sealed: SealedReader, header: Header) -> Exception:
    return sealed.refused(f"not the {header.linked} numbers and {header.unmatched} others that the first line says")


def _check_generation(sealed: SealedReader, header: Header) -> None:
    if (header.generation is None) != (header.linked == 0):
        raise sealed.refused("numbers need the generation that made them")
    if header.generation is not None and domain_of(header.generation) != f"sspin.{header.sector}":
        raise sealed.refused(f"numbers of {header.generation} are not those of sector {header.sector}")
