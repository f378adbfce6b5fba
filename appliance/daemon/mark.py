"""``POST /v1/history/mark``: a person says of one of their conversions that they do not recognise it.

That goes into the log, beside what it is about, where the oversight body reads it and nobody can take it out again.
It is taken about a person's own conversions only: whether one is theirs, the tags beside its record tell.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec

from appliance.audit import lookup, records
from appliance.audit.errors import RecordPruned
from appliance.audit.tagindex.index import IndexBehind
from appliance.daemon.person import FIELDS, About, tags_of
from appliance.daemon.policy import RolePolicy
from appliance.daemon.problems import Problem
from appliance.daemon.requests import check_reference, decode_json
from appliance.daemon.service import Service
from appliance.daemon.sockets import Caller


class Question(About, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``record``: the conversion's, as the person's history has it."""

    record: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]


class Answer(msgspec.Struct, frozen=True):
    """``record``: the number of the record that says so."""

    record: int


_decoder = msgspec.json.Decoder(Question)


def parse(body: bytes) -> Question:
    """The question.

    Raises:
        Problem: malformed_request, naming the field.
    """
    question = decode_json(body, _decoder, (*FIELDS, "record"))
    check_reference(question.reference, (question.number,))
    return question


async def answer(service: Service, who: Caller, policy: RolePolicy, question: Question, due: float) -> bytes:
    """The answer in JSON, once the mark is recorded. What no engine has begun when it is ``due`` is dropped.

    Raises:
        Problem: not_found, if it is no conversion of this person (whatever else it is, if anything); index_behind, and
            all that a history is refused with.
    """
    source, tags = await tags_of(service, policy, question, due)
    if not await asyncio.to_thread(_is_theirs, service, tags, question.record):
        raise Problem("not_found", "record: not a conversion of this person's number.")
    mark = records.NotRecognised(**who._asdict(), source=source, marked=question.record, reference=question.reference)
    return msgspec.json.encode(Answer(await service.record(mark)))


def _is_theirs(service: Service, tags: tuple[bytes, ...], record: int) -> bool:
    """Whether one of the tags stands beside a conversion of that number: one look into the index."""
    audit = service.audit_log
    first = max(record, audit.first)
    try:
        return bool(lookup.conversions(audit, service.tag_index, tags, first=first, before=record + 1, limit=1))
    except RecordPruned:  # just now
        return False
    except IndexBehind:
        raise Problem("index_behind") from None
