"""Who decides: people, their roles and certificates, and how many of them an action needs."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Role = Literal["officer", "oversight"]
PersonId = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,31}\Z")]
ThresholdClass = Literal["keys", "emergency", "destroy", "roster", "policy"]


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
