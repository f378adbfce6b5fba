"""Annexes of an entry: refusals and failed attempts, signed records that change no state and are kept for good.

``000007.refusal.1.cms`` is signed by the person who refused, ``000007.attempt.1.cms`` by the appliance's identity
key. The outcome of the entry lists the SHA-256 of each, so that none can be added, taken away or exchanged
afterwards. Annexes of the entry that comes next may be there before it is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

import msgspec

from appliance.ledger import canonical, cms
from appliance.ledger import certificate as certificates
from appliance.ledger.errors import (
    AnnexMismatch,
    CertificateInvalid,
    LedgerIncomplete,
    MalformedAnnex,
    StrangeSigner,
    naming,
)
from appliance.ledger.outcome import KeyId, TokenFacts, validate_token
from appliance.ledger.plan import Digest, Instant
from appliance.ledger.roster import PersonId, Roster, decode_certificate
from appliance.ledger.state import LedgerState
from appliance.ledger.text import parse_instant, require_line

NAME = re.compile(r"(?P<sequence>[0-9]{6})\.(?P<kind>attempt|refusal)\.(?P<number>[1-9][0-9]{0,3})\.cms", re.ASCII)
Kind = Literal["attempt", "refusal"]
Number = Annotated[int, msgspec.Meta(ge=1, le=999_999)]


class Attempt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An execute that came to no outcome. ``step``: the journal's last; ``left``: CKA_IDs that could not be removed."""

    type: Literal["kagimori/attempt/v1"]
    sequence: Number
    plan: Digest
    started: Instant
    ended: Instant
    operator: str
    tool: str
    token: TokenFacts
    ended_by: Literal["failure", "abort"]
    reason: str
    step: str
    removed: tuple[KeyId, ...]
    left: tuple[KeyId, ...]


class Refusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody who decides says no, and why."""

    type: Literal["kagimori/refusal/v1"]
    sequence: Number
    plan: Digest
    person: PersonId
    reason: str
    at: Instant


Annex = Attempt | Refusal


def name_of(sequence: int, kind: Kind, number: int) -> str:
    """``000007.attempt.1.cms``."""
    return f"{sequence:06d}.{kind}.{number}.cms"


def next_name(names: Iterable[str], sequence: int, kind: Kind) -> str:
    """The name of one more annex beside those there are."""
    taken = [int(m["number"]) for m in map(NAME.fullmatch, names) if m and _is_of(m, sequence, kind)]
    return name_of(sequence, kind, max(taken, default=0) + 1)


def of_entry(files: Mapping[str, bytes], sequence: int) -> dict[str, bytes]:
    """An entry's annexes, by name, in the order of their names."""
    matches = ((name, NAME.fullmatch(name)) for name in sorted(files))
    return {name: files[name] for name, match in matches if match and int(match["sequence"]) == sequence}


def digests(annexes: Mapping[str, bytes]) -> tuple[str, ...]:
    """What an outcome lists of its annexes."""
    return tuple(hashlib.sha256(annexes[name]).hexdigest() for name in sorted(annexes))


def require_listed(annexes: Mapping[str, bytes], listed: tuple[str, ...]) -> None:
    """Exactly the annexes that the outcome lists are there.

    Raises:
        AnnexMismatch: one is missing, too many, or another.
    """
    there = digests(annexes)
    if there != listed:
        odd = [name for name, digest in zip(sorted(annexes), there, strict=True) if digest not in listed]
        what = f"{odd[0]} is not one of them" if odd else f"{len(there)} are there, not these in this order"
        raise AnnexMismatch(f"annexes: the outcome lists {len(listed)}; {what}")


def verify(name: str, data: bytes, sequence: int, state: LedgerState | None, roster: Roster | None) -> Annex:
    """One annex: its form, its place and who signed it. ``state`` is the one before the entry, None at genesis.

    Raises:
        LedgerError: (a subclass) naming the file.
    """
    with naming(name):
        match = NAME.fullmatch(name)
        if match is None:
            raise LedgerIncomplete("does not belong into a ledger")
        signed = cms.verify(data)
        if len(signed.signers) != 1:
            raise StrangeSigner(f"{len(signed.signers)} signatures; an annex has one")
        parsed = parse_attempt(signed.content) if match["kind"] == "attempt" else parse_refusal(signed.content)
        if parsed.sequence != sequence:
            raise AnnexMismatch(f"sequence: it is of entry {parsed.sequence}, and lies with entry {sequence}")
        signer = signed.signers[0].certificate
        if not certificates.read(signer).covers(signed.signers[0].signing_time):
            raise CertificateInvalid("signed outside the validity of its certificate")
        if isinstance(parsed, Attempt):
            _require_token(signer, state)
        elif roster is not None:
            _require_person(parsed, signer, roster)
        return parsed


def parse_attempt(data: bytes) -> Attempt:
    """An attempt from its bytes.

    Raises:
        NotCanonical, MalformedAnnex: its form.
    """
    attempt = canonical.decode(data, Attempt, malformed=MalformedAnnex)
    started = parse_instant("started", attempt.started, malformed=MalformedAnnex)
    if parse_instant("ended", attempt.ended, malformed=MalformedAnnex) < started:
        raise MalformedAnnex("ended: must not be earlier than started")
    for field, text in {"operator": attempt.operator, "tool": attempt.tool, "step": attempt.step}.items():
        require_line(field, text, malformed=MalformedAnnex)
    require_line("reason", attempt.reason, longest=2000, malformed=MalformedAnnex)
    validate_token("token", attempt.token, malformed=MalformedAnnex)
    return attempt


def parse_refusal(data: bytes) -> Refusal:
    """A refusal from its bytes.

    Raises:
        NotCanonical, MalformedAnnex: its form.
    """
    refusal = canonical.decode(data, Refusal, malformed=MalformedAnnex)
    parse_instant("at", refusal.at, malformed=MalformedAnnex)
    require_line("reason", refusal.reason, longest=1000, malformed=MalformedAnnex)
    return refusal


def _is_of(match: re.Match[str], sequence: int, kind: Kind) -> bool:
    return int(match["sequence"]) == sequence and match["kind"] == kind


def _require_token(signer: bytes, state: LedgerState | None) -> None:
    """The identity key of the appliance or of a backup token; before there is a ledger, a key made for the record."""
    if state is None:
        certificates.require_self_signed(signer)
        return
    if signer not in {state.identity_certificate, *(b.identity_certificate for b in state.backups.values())}:
        raise StrangeSigner("not signed by the identity key of the appliance or of a backup token")


def _require_person(refusal: Refusal, signer: bytes, roster: Roster) -> None:
    """Somebody who decides (the new roster's people are not asked), under their own name."""
    for person in roster.people:
        if decode_certificate(person.id, person.certificate).der == signer:
            if person.id != refusal.person:
                raise StrangeSigner(f"says that {refusal.person} refused, but {person.id} signed it")
            return
    raise StrangeSigner(f"signed by {certificates.read(signer).subject}, who is not in the roster")
