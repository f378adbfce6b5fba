"""What an audit record says, and its one form in the log: canonical JSON (RFC 8785).

A record never holds a number of any person, in any domain. It says who (role and the peer's ids as
the kernel gave them), what (generations, how many, with what outcome), why (purpose, and the caller's
own reference) and when. Records count from 1 without a gap.
"""

from __future__ import annotations

import hashlib
from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Identifier = Annotated[int, msgspec.Meta(ge=-1, le=2**32 - 1)]
Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Instant = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z\Z")]


class Entry(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """The base of all records. ``record`` and ``time`` are filled in when it is written."""

    record: Count = 0
    time: Instant = "0000-00-00T00:00:00.000000Z"


class _Peer(Entry, kw_only=True):
    """A record about a caller: the socket's role, and the process at its other end."""

    role: str
    uid: Identifier
    gid: Identifier
    pid: Identifier


class Conversion(_Peer, kw_only=True, tag="conversion"):
    """Numbers were converted and may be answered once this record is durable.

    ``stream`` is None for a JSON request, else the number of the stream (unique within one run). ``tag_key``: the
    generation that made the subject tags, ``tags``: their digest (see `tags_digest`), both None where nothing was
    converted. ``order``: digest of the disclosure order it was done under.
    """

    source: str
    target: str
    purpose: str
    reference: str
    count: Count
    converted: Count
    malformed: Count
    unknown: Count
    stream: Count | None = None
    tag_key: str | None = None
    tags: Digest | None = None
    order: Digest | None = None


class StreamClosed(_Peer, kw_only=True, tag="stream_closed"):
    """A stream ended: after ``count`` answered lines, with ``complete`` or the code that cut it short."""

    source: str
    target: str
    stream: Count
    count: Count
    outcome: str


class Refusal(_Peer, kw_only=True, tag="refusal"):
    """A request was refused. Names that are not in the ledger's policy are left out: they might be anything.

    ``order``: digest of the disclosure order that the request came with, if it was one.
    """

    code: str
    source: str | None
    target: str | None
    purpose: str | None
    order: Digest | None = None


class HistoryRead(_Peer, kw_only=True, tag="history_read"):
    """One person's conversions were looked up by a number of ``source``; ``found``: how many were handed out."""

    source: str
    reference: str
    found: Count


class NotRecognised(_Peer, kw_only=True, tag="not_recognised"):
    """The person whose number of ``source`` was given says: the conversion in record ``marked`` is unknown to me.

    The appliance made sure that it is one of theirs. Who they are, neither this record nor that one says.
    """

    source: str
    marked: Count
    reference: str


class Start(Entry, kw_only=True, tag="start"):
    """A daemon started; it serves as soon as `LedgerLoaded` follows."""

    version: str
    pid: Identifier
    roles: tuple[str, ...]


class Stop(Entry, kw_only=True, tag="stop"):
    """The daemon stopped; ``reason`` is the signal or the code of what made it stop."""

    reason: str


class LedgerLoaded(Entry, kw_only=True, tag="ledger_loaded"):
    """From here on this ledger's keys and policy apply."""

    sequence: Count
    head: str


class Ceremony(Entry, kw_only=True, tag="ceremony"):
    """An entry of the ledger was seen for the first time: what its plan was called and which actions it carried out.

    ``head``: the ledger's head after it; ``finished``: when it was carried out, by its outcome.
    """

    sequence: Count
    head: Digest
    title: str
    actions: tuple[str, ...]
    finished: str


class LedgerRefused(Entry, kw_only=True, tag="ledger_refused"):
    """A reload was refused; the ledger before it still applies."""

    reason: str


class EngineLost(Entry, kw_only=True, tag="engine_lost"):
    """An engine died or was killed; ``reason`` says how."""

    pid: Identifier
    reason: str


class EngineRegained(Entry, kw_only=True, tag="engine_regained"):
    """An engine serves in the place of one that was lost."""

    pid: Identifier


class Repair(Entry, kw_only=True, tag="repair"):
    """A torn last line (a write that a crash cut short) was removed at the start; it had ``removed`` bytes."""

    removed: Count


class AuditLost(Entry, kw_only=True, tag="audit_lost"):
    """Writing failed for ``reason``; nothing is converted until `AuditRegained`. Written into reserved space."""

    reason: str


class Pruned(Entry, kw_only=True, tag="pruned"):
    """Records before ``first`` are older than the retention and are removed; their hashes stay."""

    first: Count


class AuditRegained(Entry, kw_only=True, tag="audit_regained"):
    """Writing works again. ``lost`` records could not be written; what they were about was not answered."""

    lost: Count


Record = (
    Conversion
    | StreamClosed
    | Refusal
    | HistoryRead
    | NotRecognised
    | Start
    | Stop
    | LedgerLoaded
    | Ceremony
    | LedgerRefused
    | EngineLost
    | EngineRegained
    | Repair
    | AuditLost
    | AuditRegained
    | Pruned
)


class NotARecord(ValueError):
    """The bytes are not the one encoding of a record."""


TAG_BYTES = 16


def tags_digest(record: int, tags: bytes) -> str:
    """What a record says of the subject tags stored beside it (16 bytes each, in the order of the converted numbers).

    The record's number is hashed along, so that who reads the log cannot tell which records are about one person.
    """
    return hashlib.sha256(b"kagimori/tags/v1\0" + record.to_bytes(8, "big") + tags).hexdigest()


_encoder = msgspec.json.Encoder(order="sorted")
_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def encode(record: Record) -> bytes:
    """The bytes of the record, a leaf of the log: keys sorted, no spaces, UTF-8 (records hold no fractions)."""
    return _encoder.encode(record)


def decode(line: bytes) -> Record:
    """The record in a leaf.

    Raises:
        NotARecord: not JSON of a known kind, or not its canonical encoding.
    """
    try:
        record = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotARecord(str(error)) from None
    if _encoder.encode(record) != line:
        raise NotARecord("not the canonical encoding")
    return record
