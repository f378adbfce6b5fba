"""``POST /v1/history``: one person's conversions, each with the proof that it stands in the log.

There are two proofs, for two trees of the one log: the newest that is signed, which has all records shown, and the
newest that witnesses co-signed, which may lack the latest.

That somebody looked is itself a record, durable before the answer.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import Annotated

import msgspec

from appliance.audit import lookup, records
from appliance.audit.log import AuditLog
from appliance.audit.lookup import Found
from appliance.audit.tagindex.index import IndexBehind
from appliance.daemon.person import FIELDS, About, tags_of
from appliance.daemon.policy import RolePolicy
from appliance.daemon.problems import Problem
from appliance.daemon.requests import check_reference, decode_json
from appliance.daemon.service import Service
from appliance.daemon.sockets import Caller
from appliance.daemon.witnesses import CosignedHead
from appliance.errors import KagimoriError

MOST_CONVERSIONS = 1_000


class Question(About, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``before``: only records with smaller numbers, to read on where an answer ended."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_CONVERSIONS)] = 100
    before: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)] | None = None


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """A conversion of the person. ``entry``: the leaf, ``proof``: its inclusion proof (RFC 6962, 2.1.1), in base64.

    ``cosigned_proof``: the one in the co-signed tree; None where the record is newer than that.
    """

    record: int
    time: str
    role: str
    source: str
    target: str
    purpose: str
    reference: str
    entry: str
    proof: list[str]
    cosigned_proof: list[str] | None


class Cosigned(msgspec.Struct, frozen=True, kw_only=True):
    """The newest tree that witnesses co-signed; ``checkpoint``: its note, signed by the log and by them."""

    checkpoint: str
    size: int
    root: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first. ``before``: what to ask with for older ones, None: there are none.

    ``cosigned``: None as long as no witness has co-signed this log.
    """

    source: str
    size: int
    root: str
    checkpoint: str
    cosigned: Cosigned | None
    conversions: list[Conversion]
    before: int | None


_decoder = msgspec.json.Decoder(Question)


def parse(body: bytes) -> Question:
    """The question.

    Raises:
        Problem: malformed_request, naming the field.
    """
    question = decode_json(body, _decoder, (*FIELDS, "limit", "before"))
    check_reference(question.reference, (question.number,))
    return question


async def answer(service: Service, who: Caller, policy: RolePolicy, question: Question, due: float) -> bytes:
    """The answer in JSON, recorded. What no engine has begun when it is ``due`` (the event loop's time) is dropped.

    Raises:
        Problem: pair_denied, unknown_generation, malformed_number, unknown_number, index_behind and what keeps
            the daemon from converting.
    """
    source, tags = await tags_of(service, policy, question, due)
    found = await asyncio.to_thread(_find, service, tags, question)
    size = max((one.conversion.record for one in found), default=1)
    try:
        checkpoint, note = await service.checkpointer.cover(size)
    except (KagimoriError, OSError):
        raise Problem("audit_unavailable") from None
    cosigned = service.witnesses.cosigned
    shown = await asyncio.to_thread(_proven, service, found, checkpoint.size, cosigned)
    await service.record(
        records.HistoryRead(**who._asdict(), source=source, reference=question.reference, found=len(found))
    )
    full = len(found) == question.limit
    return msgspec.json.encode(
        Answer(
            source=source,
            size=checkpoint.size,
            root=_text(checkpoint.root),
            checkpoint=note.decode("utf-8"),
            cosigned=_cosigned(cosigned),
            conversions=shown,
            before=found[-1].conversion.record if full else None,
        )
    )


def _find(service: Service, tags: tuple[bytes, ...], question: Question) -> list[Found]:
    audit = service.audit_log
    try:
        return lookup.conversions(
            audit, service.tag_index, tags, first=audit.first, before=question.before, limit=question.limit
        )
    except IndexBehind:
        raise Problem("index_behind") from None


def _proven(service: Service, found: list[Found], size: int, cosigned: CosignedHead | None) -> list[Conversion]:
    return [_shown(service.audit_log, one, size, cosigned) for one in found]


def _shown(audit: AuditLog, one: Found, size: int, cosigned: CosignedHead | None) -> Conversion:
    """One path for each tree; a log that has not grown since it was co-signed is one tree."""
    said = one.conversion
    proof = _texts(audit.inclusion(said.record, size))
    again = None
    if cosigned is not None and said.record <= cosigned.size:
        again = proof if cosigned.size == size else _texts(audit.inclusion(said.record, cosigned.size))
    return Conversion(
        record=said.record,
        time=said.time,
        role=said.role,
        source=said.source,
        target=said.target,
        purpose=said.purpose,
        reference=said.reference,
        entry=_text(one.entry),
        proof=proof,
        cosigned_proof=again,
    )


def _cosigned(head: CosignedHead | None) -> Cosigned | None:
    if head is None:
        return None
    return Cosigned(checkpoint=head.note.decode("utf-8"), size=head.size, root=_text(head.root))


def _texts(hashes: Sequence[bytes]) -> list[str]:
    return [_text(one) for one in hashes]


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
