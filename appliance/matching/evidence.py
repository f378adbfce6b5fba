"""In which way each of the four attributes of somebody asked for agrees with a resident's.

Evidence of a pair is one number, `packed`, so that a million pairs are one array.
"""

from __future__ import annotations

from enum import IntEnum
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from appliance.matching import slips
from appliance.matching.columns import Columns
from appliance.matching.decision import Reason
from appliance.matching.names import Name

Codes = npt.NDArray[np.uint8]
Which = npt.NDArray[np.bool_]


class NameIs(IntEnum):
    """How two names agree."""

    SAME = 0  # but for width, spaces, capitals
    VARIANT = 1  # written with other forms of the same letters
    SURNAME_SLIP = 2  # the given name is the same, the surname has one other character
    SURNAME_OTHER = 3  # the given name is the same
    ONE_OFF = 4  # one other character, not known to be in the surname
    OTHER = 5


class AddressIs(IntEnum):
    """How two addresses agree."""

    SAME = 0
    VARIANT = 1  # the same lot and the same room, written in another way
    UNSAID = 2  # the same lot; building or room are said on one side only
    NEAR = 3  # the same town, or another room of the house
    OTHER = 4


class BirthIs(IntEnum):
    """How two birth dates agree."""

    SAME = 0
    SLIP = 1  # one slip apart
    OTHER = 2


class SexIs(IntEnum):
    """How two sexes agree."""

    SAME = 0
    OTHER = 1


class Evidence(NamedTuple):
    """How all four agree."""

    name: NameIs
    address: AddressIs
    birth: BirthIs
    sex: SexIs


EVERY = tuple(Evidence(*one) for one in product(NameIs, AddressIs, BirthIs, SexIs))  # by packed number
_REASONS: tuple[tuple[Reason | None, ...], ...] = (
    (None, Reason.NAME_VARIANT, Reason.SURNAME_SLIP, Reason.SURNAME_DIFFERS, Reason.NAME_SLIP, Reason.NAME_DIFFERS),
    (None, Reason.ADDRESS_VARIANT, Reason.HOUSE_UNSAID, Reason.ADDRESS_NEAR, Reason.ADDRESS_DIFFERS),
    (None, Reason.BIRTH_SLIP, Reason.BIRTH_DIFFERS),
    (None, Reason.SEX_DIFFERS),
)
_SIZES = tuple(len(kind) for kind in (NameIs, AddressIs, BirthIs, SexIs))


def differences(evidence: Evidence) -> tuple[Reason, ...]:
    """In what the resident differs."""
    found = (_REASONS[place][level] for place, level in enumerate(evidence))
    return tuple(reason for reason in found if reason is not None)


def packed(name: Codes, address: Codes, birth: Codes, sex: Codes) -> Codes:
    """One number for each pair: its place in `EVERY`."""
    return np.ravel_multi_index((name, address, birth, sex), _SIZES).astype(np.uint8)


def levels(codes: Codes) -> tuple[Codes, ...]:
    """What was packed."""
    return tuple(level.astype(np.uint8) for level in np.unravel_index(codes, _SIZES))


def compare(asked: Columns, residents: Columns) -> Codes:
    """The packed evidence of each pair, as far as hashes tell: another name is `OTHER` or `SURNAME_OTHER`."""
    sex = (asked["sex"] != residents["sex"]).astype(np.uint8)
    return packed(_names(asked, residents), _addresses(asked, residents), _births(asked, residents), sex)


def _names(one: Columns, other: Columns) -> Codes:
    """From the weakest to the strongest: what is set later counts."""
    result = np.full(len(one), NameIs.OTHER, np.uint8)
    result[(one["given"] == other["given"]) & (one["given"] != 0)] = NameIs.SURNAME_OTHER
    result[one["folded"] == other["folded"]] = NameIs.VARIANT
    result[one["name"] == other["name"]] = NameIs.SAME
    return result


def _addresses(one: Columns, other: Columns) -> Codes:
    rooms_said = (one["room"] != 0) & (other["room"] != 0)
    same_room = one["room"] == other["room"]
    same_house = (same_room & (one["building"] == other["building"])) | (rooms_said & same_room)
    same_lot = (one["lot"] == other["lot"]) & (one["lot"] != 0)
    result = np.full(len(one), AddressIs.OTHER, np.uint8)
    result[(same_lot & rooms_said) | ((one["town"] == other["town"]) & (one["town"] != 0))] = AddressIs.NEAR
    result[same_lot & ~rooms_said] = AddressIs.UNSAID
    result[same_lot & same_house] = AddressIs.VARIANT
    result[one["address"] == other["address"]] = AddressIs.SAME
    other_prefecture = (
        (one["prefecture"] != other["prefecture"]) & (one["prefecture"] != 0) & (other["prefecture"] != 0)
    )
    result[other_prefecture] = AddressIs.OTHER
    return result


def _births(one: Columns, other: Columns) -> Codes:
    result = np.full(len(one), BirthIs.OTHER, np.uint8)
    result[slips.dates_one_off(one["birth"], other["birth"])] = BirthIs.SLIP
    result[one["birth"] == other["birth"]] = BirthIs.SAME
    return result


def needs_reading(codes: Codes) -> Which:
    """For which pairs the names themselves must be looked at: another name, with the rest near enough to matter."""
    name, address, birth, _ = levels(codes)
    needed: Which = (name >= NameIs.SURNAME_OTHER) & (address <= AddressIs.NEAR) & (birth == BirthIs.SAME)
    return needed


def read_names(code: int, asked: Name, resident: Name) -> int:
    """The packed evidence of one pair, after a look at two names that are not the same."""
    told = EVERY[code]
    return EVERY.index(told._replace(name=other_names(asked, resident)))


def other_names(one: Name, other: Name) -> NameIs:
    """How two names agree whose folded forms do not."""
    surname_only = _same_given(one, other)
    if slips.one_off(one.folded, other.folded):
        return NameIs.SURNAME_SLIP if surname_only else NameIs.ONE_OFF
    return NameIs.SURNAME_OTHER if surname_only else NameIs.OTHER


def _same_given(one: Name, other: Name) -> bool:
    """Whether only the surname differs. Where no space tells the parts of either, only a first letter is sure."""
    if one.given and other.given:
        return one.given == other.given
    if one.given or other.given:
        given, whole = (one.given, other.folded) if one.given else (other.given, one.folded)
        return len(whole) > len(given) and whole.endswith(given)
    return len(one.folded) == len(other.folded) > 1 and one.folded[1:] == other.folded[1:]
