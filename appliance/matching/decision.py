"""What matching answers for one person asked for: an outcome, why, and who else may be meant."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")
MOST_CANDIDATES = 5


class Outcome(StrEnum):
    """Only `MATCHED` may lead to a number."""

    MATCHED = "matched"
    AMBIGUOUS = "ambiguous"
    NOT_FOUND = "not_found"


class Reason(StrEnum):
    """Why: in what a resident differs from who was asked for, and what follows from it. A closed list."""

    # in what a resident differs
    NAME_VARIANT = "name_written_differently"
    SURNAME_SLIP = "surname_one_character"
    SURNAME_DIFFERS = "surname_differs"
    NAME_SLIP = "name_one_character"
    NAME_DIFFERS = "name_differs"
    ADDRESS_VARIANT = "address_written_differently"
    HOUSE_UNSAID = "building_or_room_not_said"
    ADDRESS_NEAR = "address_nearby"
    ADDRESS_DIFFERS = "address_differs"
    BIRTH_SLIP = "birth_date_one_slip"
    BIRTH_DIFFERS = "birth_date_differs"
    SEX_DIFFERS = "sex_differs"
    # why it is a match all the same
    NAME_RARE = "name_rare"
    # why it is none
    NO_RESIDENT = "no_resident"
    SEVERAL_RESIDENTS = "several_residents"
    SEVERAL_REQUESTS = "several_requests"
    NAME_COMMON = "name_common"
    NOT_ENOUGH = "not_enough_agrees"


@dataclass(frozen=True, slots=True)
class Candidate(Generic[T]):
    """A resident who may be meant, and in what it differs from who was asked for."""

    resident: T = field(repr=False)
    differences: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Decision(Generic[T]):
    """``resident``: who is meant, None unless matched. ``candidates``: who may be, best first; none unless ambiguous.

    ``reasons`` of a match: in what the resident differs (none: in width and spaces at most) and, where the match rests
    on it, that the name is rare. Of any other outcome: the one cause.
    """

    outcome: Outcome
    resident: T | None = field(repr=False)
    reasons: tuple[Reason, ...]
    candidates: tuple[Candidate[T], ...] = field(repr=False)
