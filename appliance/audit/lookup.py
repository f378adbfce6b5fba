"""One person's conversions, found by their subject tags: candidates from the index, each made sure of in the log.

The index knows some bits of a tag and may lag behind or be made anew; what counts is what the log stores beside
a record. So a record is handed out only if one of the tags stays there whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from appliance.audit import records
from appliance.audit.records import TAG_BYTES

_STEP = 128


class Log(Protocol):
    """What is asked of the log."""

    def entry(self, record: int) -> bytes:
        """A record's bytes."""

    def tags(self, record: int) -> bytes:
        """The subject tags stored beside it."""


class Index(Protocol):
    """What is asked of the index."""

    def find(self, tags: Sequence[bytes], *, before: int | None = None, limit: int = 100) -> list[int]:
        """Numbers of records that may have one of the tags, newest first."""


class Found(NamedTuple):
    """A conversion of the person, and the record's bytes as they are hashed into the log."""

    conversion: records.Conversion
    entry: bytes


def conversions(
    log: Log, index: Index, tags: Sequence[bytes], *, first: int = 1, before: int | None = None, limit: int = 100
) -> list[Found]:
    """The conversions that one of the tags stands beside, newest first, at most ``limit``.

    Args:
        log: where records and tags are read.
        index: where candidates come from.
        tags: the person's tags under every key generation that can be asked, 16 bytes each.
        first: number of the oldest record that is still there.
        before: only records with smaller numbers, None: all.
        limit: how many at most.

    Raises:
        IndexBehind: (from the index) it cannot answer completely now.
    """
    found: list[Found] = []
    while len(found) < limit:
        candidates = index.find(tags, before=before, limit=_STEP)
        for number in candidates:
            if number < first:
                return found
            if len(found) < limit and _stands_beside(log.tags(number), tags):
                entry = log.entry(number)
                record = records.decode(entry)
                if isinstance(record, records.Conversion):
                    found.append(Found(record, entry))
        if len(candidates) < _STEP:
            break
        before = candidates[-1]
    return found


def _stands_beside(stored: bytes, tags: Sequence[bytes]) -> bool:
    return any(_has(stored, tag) for tag in tags)


def _has(stored: bytes, tag: bytes) -> bool:
    """Whether the tag is there, at a multiple of its length."""
    at = stored.find(tag)
    while at >= 0 and at % TAG_BYTES:
        at = stored.find(tag, at + 1)
    return at >= 0
