"""Who may ask whom for what, what for, and until when: the hub's table of legal bases (法的根拠).

A TOML file, read strictly: unknown keys, sectors that are not there, periods that end before they begin and two bases
for the same thing at the same time are refused, with their line. What no basis names is refused (default deny).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from appliance.errors import KagimoriError
from appliance.hubkit import exchange
from appliance.hubkit.exchange import Question
from appliance.hubkit.exchangeerrors import BasisNotYet, BasisOver, NoBasis, TooMany, WrongGeneration
from appliance.hubkit.wire import domain_of
from appliance.numbers.domains import DEFAULT_SECTORS

TIME_ZONE = timezone(timedelta(hours=9), "Asia/Tokyo")  # no summer time since 1951
LARGEST_FILE = 1_048_576  # bytes
LONGEST_WAIT = timedelta(days=366)
_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"([1-9][0-9]{0,5}) (s|min|h|d)", re.ASCII)
_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*basis[ \t]*\]\]", re.MULTILINE)
_UNKNOWN = re.compile(r"unknown field `(\w+)`")
_PLACE = re.compile(r"basis\[(\d+)\](?:\.(\w+))?")

Name = Annotated[str, msgspec.Meta(pattern=rf"^{exchange.NAME}\Z")]
Sector = Annotated[str, msgspec.Meta(pattern=rf"^{exchange.SECTOR}\Z")]
People = Annotated[int, msgspec.Meta(ge=1, le=100_000)]


class LegalBasisError(KagimoriError):
    """The table cannot be used; the message names the file, the line and the field."""


class Basis(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One legal basis. Both dates are days of Japan (Asia/Tokyo) and belong to the period.

    ``answer_within``: how long a question stays open ("30 s", "15 min", "8 h", "10 d"). ``most_people``: in one
    question; ``most_people_a_day``: in all questions of a day of Japan, None for no limit.
    """

    id: Name
    asker: Sector
    holder: Sector
    item: Name
    purpose: Name
    law: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    valid_from: date
    valid_until: date
    answer_within: str
    most_people: People
    most_people_a_day: People | None = None

    @property
    def terms(self) -> tuple[str, str, str, str]:
        """Who, whom, for what, what for."""
        return self.asker, self.holder, self.item, self.purpose

    @property
    def open_for(self) -> timedelta:
        """``answer_within`` as a duration."""
        return duration(self.answer_within)

    def until(self, now: datetime) -> datetime:
        """When a question asked now expires: never later than the basis itself."""
        end = datetime.combine(self.valid_until + timedelta(days=1), time(), TIME_ZONE)
        return min(now + self.open_for, end).astimezone(UTC)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    time_zone: Literal["Asia/Tokyo"]
    basis: list[Basis]


@dataclass(frozen=True)
class LegalBasis:
    """The whole table. ``sectors``: the letters of all that there are."""

    bases: tuple[Basis, ...]
    sectors: frozenset[str]

    def judge(self, question: Question, now: datetime, people_today: Callable[[str], int]) -> Basis:
        """The basis that allows the question now. ``people_today``: how many were asked about today under a basis' id.

        Raises:
            NoBasis, BasisNotYet, BasisOver, WrongGeneration, TooMany: none does.
        """
        basis = self._valid(question, now)
        if domain_of(question.generation) != f"sspin.{question.asker}":
            raise WrongGeneration(f"sector {question.asker} must ask with numbers of sspin.{question.asker}")
        if len(question.numbers) > basis.most_people:
            raise TooMany(
                f"{len(question.numbers)} people; {basis.id} allows {basis.most_people} in a question",
                "ask about fewer",
            )
        most, before = basis.most_people_a_day, people_today(basis.id)
        if most is not None and before + len(question.numbers) > most:
            raise TooMany(
                f"{basis.id} allows {most} people a day; {before} were asked about today", "ask tomorrow (Asia/Tokyo)"
            )
        return basis

    def _valid(self, question: Question, now: datetime) -> Basis:
        terms = (question.asker, question.holder, question.item, question.purpose)
        bases = [basis for basis in self.bases if basis.terms == terms]
        today = day_of(now)
        what = f"sector {terms[0]} may not ask sector {terms[1]} for {terms[2]!r} ({terms[3]})"
        if not bases:
            raise NoBasis(what, "the hub's table of legal bases has no such entry")
        for basis in bases:
            if basis.valid_from <= today <= basis.valid_until:
                return basis
        if coming := [basis for basis in bases if basis.valid_from > today]:
            first = min(coming, key=lambda basis: basis.valid_from)
            raise BasisNotYet(f"{what} yet: {first.id} is valid from {first.valid_from}")
        last = max(bases, key=lambda basis: basis.valid_until)
        raise BasisOver(f"{what} any more: {last.id} was valid until {last.valid_until}")

    def knows(self, field: str, value: str) -> bool:
        """Whether any basis has that value in the field: a journal must not hold what somebody just made up."""
        return any(getattr(basis, field) == value for basis in self.bases)


def day_of(now: datetime) -> date:
    """The day in Japan."""
    return now.astimezone(TIME_ZONE).date()


def duration(text: str) -> timedelta:
    """``10 d``, ``8 h``, ``15 min`` or ``30 s``; at most 366 days.

    Raises:
        ValueError: it is none.
    """
    match = _DURATION.fullmatch(text)
    length = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else LONGEST_WAIT * 2
    if length > LONGEST_WAIT:
        raise ValueError('must be a time such as "30 s", "15 min", "8 h" or "10 d", at most 366 d')
    return length


def load(path: Path, sectors: Collection[str] = tuple(DEFAULT_SECTORS)) -> LegalBasis:
    """The table in a file.

    Raises:
        LegalBasisError: it cannot be read, or `parse` refuses it.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise LegalBasisError(f"{path}: cannot be read ({error.strerror})") from None
    return parse(data, sectors, str(path))


def parse(data: bytes, sectors: Collection[str] = tuple(DEFAULT_SECTORS), name: str = "legal basis") -> LegalBasis:
    """The table in TOML bytes; ``name`` stands before every complaint.

    Raises:
        LegalBasisError: it is too large, is not TOML, or breaks a rule; with the line and the field.
    """
    if len(data) > LARGEST_FILE:
        raise LegalBasisError(f"{name}: larger than {LARGEST_FILE} bytes")
    try:
        file = msgspec.toml.decode(data, type=_File, strict=True)
    except msgspec.ValidationError as error:
        raise _refused(data, name, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LegalBasisError(f"{name}: not TOML ({error})", "correct the line it names") from None
    for index, complaint in _complaints(file.basis, frozenset(sectors)):
        raise LegalBasisError(f"{name}: {_place(data, index, complaint.partition(':')[0])}: {complaint}")
    return LegalBasis(tuple(file.basis), frozenset(sectors))


def _refused(data: bytes, name: str, message: str) -> LegalBasisError:
    text, _, path = message.rpartition(" - at `$")
    found = _PLACE.search(path)
    if found is None:
        where = path.strip(".`")
        return LegalBasisError(f"{name}: {where + ': ' if where else ''}{text or message}")
    unknown = _UNKNOWN.search(text)
    field = found[2] or ""
    if unknown:
        return LegalBasisError(f"{name}: {_place(data, int(found[1]), unknown[1])}: {text}")
    return LegalBasisError(f"{name}: {_place(data, int(found[1]), field)}: {field + ': ' if field else ''}{text}")


def _place(data: bytes, index: int, field: str) -> str:
    """The line of a field of the ``index``-th table (from 0), or of the table's head."""
    text = data.decode()
    heads = [match.start() for match in _HEADER.finditer(text)]
    if index >= len(heads):
        return f"basis {index + 1}"
    end = heads[index + 1] if index + 1 < len(heads) else len(text)
    found = re.compile(rf"^[ \t]*{field}[ \t]*=", re.MULTILINE).search(text, heads[index], end) if field else None
    return f"line {text.count(chr(10), 0, found.start() if found else heads[index]) + 1}"


def _complaints(bases: list[Basis], sectors: frozenset[str]) -> Iterator[tuple[int, str]]:
    """(index, ``field: what is wrong``), the first ones first."""
    ids: set[str] = set()
    for index, basis in enumerate(bases):
        if basis.id in ids:
            yield index, f"id: {basis.id} is there twice"
        ids.add(basis.id)
        for field in ("asker", "holder"):
            if getattr(basis, field) not in sectors:
                yield index, f"{field}: {getattr(basis, field)} is no sector; there are {', '.join(sorted(sectors))}"
        if basis.asker == basis.holder:
            yield index, "holder: a sector needs no hub to ask itself"
        if basis.valid_until < basis.valid_from:
            yield index, "valid_until: is before valid_from"
        try:
            duration(basis.answer_within)
        except ValueError as error:
            yield index, f"answer_within: {error}"
    yield from _overlaps(bases)


def _overlaps(bases: list[Basis]) -> Iterator[tuple[int, str]]:
    in_order = sorted(enumerate(bases), key=lambda each: (each[1].terms, each[1].valid_from))
    for (_, one), (index, other) in pairwise(in_order):
        if one.terms == other.terms and other.valid_from <= one.valid_until:
            yield (
                index,
                f"valid_from: {other.id} is about the same as {one.id}, at the same time; which one would hold?",
            )
