"""The decision table: what each combination of evidence is worth. The page about matching and the tests read it here.

A resident is the one who is meant by a name, a birth date and a place together. One of them may be off by what a hand
does, and only where nobody else comes near. A given name may not be off at all: twins differ in nothing else.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from typing import NamedTuple

import numpy as np

from appliance.matching.evidence import EVERY, AddressIs, BirthIs, Codes, Evidence, NameIs, SexIs


class Worth(IntEnum):
    """What a resident is worth as an answer, from nothing upward."""

    NOTHING = 0  # not even a candidate
    FAINT = 1  # a candidate, if by chance there would hardly be one
    ASK = 2  # a candidate: somebody has to look
    RARE = 3  # the one who is meant, if the name is rare enough, and nobody else is as near
    ALONE = 4  # the one who is meant, if nobody else is even a candidate
    SURE = 5  # the one who is meant, if nobody else is


class Rule(NamedTuple):
    """A row of the table; it holds where all evidence is among that named. The first that holds counts."""

    name: frozenset[NameIs]
    address: frozenset[AddressIs]
    birth: frozenset[BirthIs]
    sex: frozenset[SexIs]
    worth: Worth
    why: str

    def holds(self, evidence: Evidence) -> bool:
        """Whether this row is about such evidence."""
        return all(level in row for level, row in zip(evidence, self[:4], strict=True))


_NAME = frozenset({NameIs.SAME, NameIs.VARIANT})
_SURNAME = frozenset({NameIs.SURNAME_SLIP, NameIs.SURNAME_OTHER})
_ROOM = frozenset({AddressIs.SAME, AddressIs.VARIANT})
_LOT = _ROOM | {AddressIs.UNSAID}
_NEAR = frozenset({AddressIs.NEAR})
_FAR = frozenset({AddressIs.OTHER})
_BORN = frozenset({BirthIs.SAME})
_SLIP = frozenset({BirthIs.SLIP})
_SEX = frozenset({SexIs.SAME})
_ANY_NAME, _ANYWHERE, _WHENEVER, _EITHER = frozenset(NameIs), frozenset(AddressIs), frozenset(BirthIs), frozenset(SexIs)

RULES = (
    Rule(_NAME, _LOT, _BORN, _SEX, Worth.SURE, "all four agree, however they are written"),
    Rule(_NAME, _LOT, _BORN, _EITHER, Worth.ALONE, "no two people of one name and birth date live in one house"),
    Rule(
        _NAME,
        _NEAR,
        _BORN,
        _SEX,
        Worth.ALONE,
        "one name and birth date in one town: moved within it, or a slip in the lot",
    ),
    Rule(
        _NAME,
        _ROOM,
        _SLIP,
        _SEX,
        Worth.ALONE,
        "father and son may share a name and a house, and hardly all but one digit",
    ),
    Rule(_SURNAME, _ROOM, _BORN, _SEX, Worth.ALONE, "twins have two given names; this one married, or was mistyped"),
    Rule(_NAME, _FAR, _BORN, _SEX, Worth.RARE, "moved, or a namesake born on that day: how rare the name is tells"),
    Rule(_NAME, _ANYWHERE, _BORN, _EITHER, Worth.ASK, "two of four are off"),
    Rule(
        _NAME, _LOT, _WHENEVER, _EITHER, Worth.ASK, "father and son, or a birth date that is wrong in more than a digit"
    ),
    Rule(_SURNAME, _LOT, _BORN, _EITHER, Worth.ASK, "married, in a house of many flats or with another slip"),
    Rule(_SURNAME, _NEAR, _BORN, _SEX, Worth.ASK, "married and moved nearby, or somebody else of that given name"),
    Rule(frozenset({NameIs.ONE_OFF}), _LOT, _BORN, _EITHER, Worth.ASK, "a typing error, or a twin"),
    Rule(_ANY_NAME, _LOT, _BORN, _SEX, Worth.ASK, "a twin, or a name in another script, or a new given name"),
    Rule(_SURNAME, _FAR, _BORN, _SEX, Worth.FAINT, "married and moved, or anybody of that given name"),
    Rule(_ANY_NAME, _ANYWHERE, _WHENEVER, _EITHER, Worth.NOTHING, "too little agrees"),
)


RARE_ENOUGH = 1 / 2000  # namesakes by chance, expected at most, for a match in spite of another address
WORTH_ASKING = (
    1 / 5
)  # people of one given name by chance, expected at most, for a candidate with neither surname nor address


def rule(evidence: Evidence) -> Rule:
    """The row that counts."""
    return next(row for row in RULES if row.holds(evidence))


@cache
def _worths() -> Codes:
    return np.array([rule(evidence).worth for evidence in EVERY], np.uint8)


def worth(codes: Codes) -> Codes:
    """The worth of each pair, from its packed evidence."""
    return _worths()[codes]
