"""Linking (紐付け): a sector that has only its own numbers gets the linkage number for each of its people.

1. The sector asks the numbering authority with what it knows of each person: the four attributes (4情報)
   and its own existing number (既存番号).
2. The authority looks the attributes up in the resident register (住基ネット).
3. For each person found, the appliance converts the resident code to sPIN and on to the sector's number
   (ssPIN_C). Who was not asked for is not converted: no number comes to be that nobody needs, and no
   entry about it in anybody's audit history.
4. The sector receives pairs (existing number, ssPIN_C) and stores them. It never sees a resident code.
5. What does not match exactly one resident goes back to the sector for inquiry, with a reason.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from appliance.hubkit.client import Client
from appliance.hubkit.numbering import Numbered, number_residents
from appliance.hubkit.register import FourAttributes, Resident
from appliance.hubkit.wire import Converted

NO_RESIDENT = "no_resident"  # nobody in the register has these four attributes
SEVERAL_RESIDENTS = "several_residents"  # two residents alike: nobody can say which is meant
SEVERAL_REQUESTS = "several_requests"  # the sector asked twice with the same attributes or the same existing number
NOT_CONVERTED = "not_converted"  # the appliance refused the resident code

MatchKey = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """What a sector asks with."""

    existing: str = field(repr=False)
    attributes: FourAttributes


@dataclass(frozen=True, slots=True)
class Linked:
    """A pair for the sector to store."""

    existing: str = field(repr=False)
    number: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A person for inquiry; ``reason`` is one of this module's constants."""

    existing: str = field(repr=False)
    reason: str


@dataclass(frozen=True, slots=True)
class Linking:
    """The answer to a sector: each request is in exactly one of the lists, in the order asked.

    ``generation`` (``sspin.C.1``) made the numbers; None when nobody matched.
    """

    generation: str | None
    linked: tuple[Linked, ...]
    unmatched: tuple[Unmatched, ...]


def match_key(attributes: FourAttributes) -> MatchKey:
    """What two sets of attributes must have in common to be the same person's: the one place that decides it.

    Exact equality after Unicode normalisation (NFKC: full and half width are the same) without any
    spaces, which Japanese names and addresses have or lack at will. No guessing beyond that.
    """
    name, address = (_normal(text) for text in (attributes.name, attributes.address))
    return name, address, attributes.birth_date, attributes.sex


def _normal(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split())


def link(
    client: Client,
    register: Iterable[Resident],
    requests: Sequence[LinkRequest],
    target: str,
    *,
    purpose: str,
    reference: str,
) -> Linking:
    """Match a sector's requests against the register and number those found.

    Memory grows with the requests, not with the register; both conversions and reading are streamed.

    Raises:
        Refused, StreamBroken, …: as `Client.convert_stream`; the sector then receives nothing.
    """
    found = find(register, requests)
    sure = {key: residents[0] for key, residents in found.items() if len(residents) == 1}
    numbered: Mapping[MatchKey, Numbered] = {}
    if sure:
        answers = number_residents(client, sure.values(), target, purpose=purpose, reference=reference)
        numbered = dict(zip(sure, answers, strict=True))
    return _sorted_out(requests, found, numbered)


def find(register: Iterable[Resident], requests: Iterable[LinkRequest]) -> dict[MatchKey, list[Resident]]:
    """For each key asked for, the residents who have it; keys asked for unclearly are left out."""
    asked: dict[MatchKey, list[Resident]] = {key: [] for key in _clear_keys(requests)}
    for resident in register:
        residents = asked.get(match_key(resident.attributes))
        if residents is not None:
            residents.append(resident)
    return asked


def _clear_keys(requests: Iterable[LinkRequest]) -> list[MatchKey]:
    """Keys that exactly one request has, whose existing number no other request has."""
    keys = [(match_key(request.attributes), request.existing) for request in requests]
    by_key = Counter(key for key, _ in keys)
    by_existing = Counter(existing for _, existing in keys)
    return [key for key, existing in keys if by_key[key] == 1 and by_existing[existing] == 1]


def _sorted_out(
    requests: Iterable[LinkRequest],
    found: Mapping[MatchKey, Sequence[Resident]],
    numbered: Mapping[MatchKey, Numbered],
) -> Linking:
    linked: list[Linked] = []
    unmatched: list[Unmatched] = []
    repeated = {code for code, count in Counter(_codes(found)).items() if count > 1}
    for request in requests:
        key = match_key(request.attributes)
        residents = found.get(key)
        reason = _reason(residents, repeated)
        result = numbered[key].result if reason is None else None
        if isinstance(result, Converted):
            linked.append(Linked(request.existing, result.number))
        else:
            unmatched.append(Unmatched(request.existing, reason or NOT_CONVERTED))
    generation = next((one.generation for one in numbered.values()), None)
    return Linking(generation, tuple(linked), tuple(unmatched))


def _codes(found: Mapping[MatchKey, Sequence[Resident]]) -> Iterable[str]:
    return (resident.code for residents in found.values() for resident in residents)


def _reason(residents: Sequence[Resident] | None, repeated: set[str]) -> str | None:
    """Why a request is no match, None if it is one. A code under two people's attributes is nobody's."""
    if residents is None:
        return SEVERAL_REQUESTS
    if not residents:
        return NO_RESIDENT
    if len(residents) > 1 or residents[0].code in repeated:
        return SEVERAL_RESIDENTS
    return None
