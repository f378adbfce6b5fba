"""``POST /v1/history``: one person's conversions, each with the proof that it stands in the co-signed log.

The number is verified and turned into subject tags by the engine; the daemon never sees whose they are. That somebody
looked is itself a record, durable before the answer.
"""

from __future__ import annotations

import asyncio
import base64
from typing import Annotated

import msgspec

from appliance.audit import lookup, records
from appliance.audit.lookup import Found
from appliance.audit.tagindex.index import IndexBehind
from appliance.daemon.policy import RolePolicy
from appliance.daemon.problems import Problem
from appliance.daemon.requests import LONGEST_REFERENCE, Name, check_reference, decode_json, to_lines
from appliance.daemon.service import Service
from appliance.daemon.sockets import Caller
from appliance.errors import KagimoriError

LARGEST_BODY = 4_096
MOST_CONVERSIONS = 1_000
_STATUS = {1: "malformed_number", 2: "unknown_number"}


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``before``: only records with smaller numbers, to read on where an answer ended."""

    source: Name
    number: str
    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_REFERENCE)]
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_CONVERSIONS)] = 100
    before: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)] | None = None


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """A conversion of the person. ``entry``: the leaf, ``proof``: its inclusion proof (RFC 6962, 2.1.1), in base64."""

    record: int
    time: str
    role: str
    source: str
    target: str
    purpose: str
    reference: str
    entry: str
    proof: list[str]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first. ``before``: what to ask with for older ones, None: there are none."""

    source: str
    size: int
    root: str
    checkpoint: str
    conversions: list[Conversion]
    before: int | None


_decoder = msgspec.json.Decoder(Question)


def parse(body: bytes) -> Question:
    """The question.

    Raises:
        Problem: malformed_request, naming the field.
    """
    question = decode_json(body, _decoder, ("source", "number", "reference", "limit", "before"))
    check_reference(question.reference, (question.number,))
    return question


async def answer(service: Service, who: Caller, policy: RolePolicy, question: Question, due: float) -> bytes:
    """The answer in JSON, recorded. What no engine has begun when it is ``due`` (the event loop's time) is dropped.

    Raises:
        Problem: pair_denied, unknown_generation, malformed_number, unknown_number, index_behind and what keeps
            the daemon from converting.
    """
    source = policy.history_source(question.source)
    asking = service.lanes.tag(source, to_lines((question.number,)), due)
    service.deadlines.watch(asking)
    tagged = await asking
    if tagged.status:
        raise Problem(_STATUS[tagged.status])
    found = await asyncio.to_thread(_find, service, tagged.tags, question)
    size = max((one.conversion.record for one in found), default=1)
    try:
        checkpoint, note = await service.checkpointer.cover(size)
    except (KagimoriError, OSError):
        raise Problem("audit_unavailable") from None
    shown = await asyncio.to_thread(_proven, service, found, checkpoint.size)
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


def _proven(service: Service, found: list[Found], size: int) -> list[Conversion]:
    return [
        Conversion(
            record=one.conversion.record,
            time=one.conversion.time,
            role=one.conversion.role,
            source=one.conversion.source,
            target=one.conversion.target,
            purpose=one.conversion.purpose,
            reference=one.conversion.reference,
            entry=_text(one.entry),
            proof=[_text(step) for step in service.audit_log.inclusion(one.conversion.record, size)],
        )
        for one in found
    ]


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
