"""A conversion that its person does not recognise: what the daemon is told, and what it answers."""

from __future__ import annotations

import msgspec

from appliance.hubkit.errors import ProtocolError
from appliance.hubkit.wire import NOT_JSON

PATH = "/v1/history/mark"


class _Question(msgspec.Struct, frozen=True):
    source: str
    number: str
    record: int
    reference: str


class _Answer(msgspec.Struct, frozen=True):
    record: int


def question(source: str, number: str, record: int, reference: str) -> bytes:
    """The JSON body of ``POST /v1/history/mark``."""
    return msgspec.json.encode(_Question(source, number, record, reference))


def answer(body: bytes) -> int:
    """The number of the mark's own record.

    Raises:
        ProtocolError: not JSON of the promised shape, or no number that a record can have.
    """
    try:
        record = msgspec.json.decode(body, type=_Answer).record
    except NOT_JSON as error:
        raise ProtocolError(f"the answer does not say what was recorded: {error}") from None
    if record < 1:
        raise ProtocolError(f"the answer names record {record}; records count from 1")
    return record
