"""A census: how many of a sector's stored numbers are under which generation, and when they were counted.

A bulk job writes one (canonical JSON, byte for byte); the plan that retires a key can cite it by its digest, so that
those who approve see how much is still under the key. Nobody signs it: it is evidence that people weigh, and no proof.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

import msgspec

from appliance.ledger import canonical
from appliance.ledger.actions import CensusCitation, Count
from appliance.ledger.errors import CensusRefused, MalformedCensus
from appliance.ledger.plan import Digest, Instant
from appliance.ledger.services import is_reserved
from appliance.ledger.state import LedgerState
from appliance.ledger.text import parse_instant, require_line
from appliance.numbers.domains import DomainError, Generation

CENSUS_TYPE = "kagimori/census/v1"


class Census(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A count of one column of numbers.

    ``anchor``: trust anchor of the appliance that was asked, empty if it was not told. ``generations``: numbers by the
    generation they are under; ``neither``: under none of these; ``malformed``: not of the domain's format; ``empty``:
    nothing there. ``rows``: all of them. ``input_sha256`` and ``output_sha256``: of the files read and written (null:
    none was). ``began``, ``ended``: UTC, seconds.
    """

    type: Literal["kagimori/census/v1"]
    anchor: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?\Z")]
    domain: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    generations: Annotated[dict[str, Count], msgspec.Meta(min_length=1, max_length=64)]
    neither: Count
    malformed: Count
    empty: Count
    rows: Count
    input_sha256: Digest
    output_sha256: Digest | None
    reference: str
    purpose: str
    began: Instant
    ended: Instant


def encode(census: Census) -> bytes:
    """The census's file: canonical JSON, and nothing behind it.

    Raises:
        MalformedCensus: it says something that cannot be.
    """
    validate(census)
    return canonical.encode(census)


def parse(data: bytes) -> Census:
    """A census from its file.

    Raises:
        NotCanonical: the bytes are not canonical JSON.
        MalformedCensus: what it says cannot be.
    """
    census = canonical.decode(data, Census, malformed=MalformedCensus)
    validate(census)
    return census


def validate(census: Census) -> None:
    """Check what types cannot say: names of generations, sums, times and text.

    Raises:
        MalformedCensus: naming the field and the rule.
    """
    for text in census.generations:
        _require_generation(text, census.domain)
    counts = (*census.generations.values(), census.neither, census.malformed, census.empty)
    if sum(counts) != census.rows:
        raise MalformedCensus(f"rows: {census.rows}, but the counts add up to {sum(counts)}")
    began = parse_instant("began", census.began, malformed=MalformedCensus)
    if parse_instant("ended", census.ended, malformed=MalformedCensus) < began:
        raise MalformedCensus("ended: must not be earlier than began")
    for field, text in {"reference": census.reference, "purpose": census.purpose}.items():
        if text:
            require_line(field, text, malformed=MalformedCensus)


def cite(data: bytes, state: LedgerState, generation: Generation, *, accepted: int = 0) -> CensusCitation:
    """What the plan that retires ``generation`` says of a census; ``accepted``: so many numbers may be left under it.

    Raises:
        NotCanonical, MalformedCensus: it is none.
        CensusRefused: of another ledger or domain, made too early, or too many numbers are left.
    """
    census = parse(data)
    name = str(generation)
    if census.anchor != state.anchor:
        raise CensusRefused(
            f"census: made under the trust anchor {census.anchor or '(not said)'}; this ledger's is {state.anchor}",
            "count with the appliance whose key is to be retired",
        )
    if name not in census.generations:
        raise CensusRefused(
            f"census: it counted numbers under {', '.join(census.generations)}, not under {name}",
            "count again, naming that generation",
        )
    _require_late_enough(census, state, generation)
    left = census.generations[name]
    if left > accepted:
        raise CensusRefused(
            f"census: {left} of {census.rows} numbers are still under {name}; they could never be read again",
            f"re-key them first; or, if they may be lost, say so: --accept-left {left}",
        )
    return CensusCitation(digest=hashlib.sha256(data).hexdigest(), counted=census.rows, left=left)


def _require_late_enough(census: Census, state: LedgerState, generation: Generation) -> None:
    """A count from before the successor came into use cannot show that nothing is given out under the old key."""
    current = state.current.get(generation.domain)
    if current is None or current == generation:
        raise CensusRefused(
            f"census: {generation} has no successor in use, so new numbers are under it", "activate a newer key first"
        )
    since = state.keys[current].activated_at
    if since and parse_instant("began", census.began) < parse_instant("activated", since):
        raise CensusRefused(
            f"census: it began {census.began}, and {current} came into use only {since}; numbers were given out"
            f" under {generation} meanwhile",
            "count again",
        )


def _require_generation(text: str, domain: str) -> None:
    try:
        generation = Generation.parse(text)
    except DomainError as error:
        raise MalformedCensus(f"generations: {error}") from None
    if generation.domain != domain or is_reserved(domain):
        raise MalformedCensus(f"generations: {text}: the numbers counted are of {domain}")
