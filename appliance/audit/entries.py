"""How a record becomes an entry of the log: it gets its number, its time and the digest of its subject tags."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from appliance.audit import records
from appliance.audit.errors import EntryTooLong
from appliance.audit.packing import MOST_TAG_BYTES
from appliance.tlog.tiles import LONGEST_ENTRY


class Item(NamedTuple):
    """A record to be appended, the subject tags of its converted numbers (16 bytes each), and the key of those.

    The key's name may be in the record already.
    """

    record: records.Record
    tags: bytes = b""
    tag_key: str | None = None


def now() -> str:
    """The time, as records have it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def encode(item: Item, number: int, time: str) -> bytes:
    """Fill the record in, and give its bytes.

    Raises:
        EntryTooLong: they are too many for the log.
        ValueError: tags beside a record that has none, or not the tags of any numbers.
    """
    record = item.record
    record.record = number
    record.time = time
    if item.tags:
        _add_tags(record, item, number)
    entry = records.encode(record)
    if len(entry) > LONGEST_ENTRY:
        raise EntryTooLong(f"a {type(record).__name__} record of {len(entry)} bytes; {LONGEST_ENTRY} fit into the log")
    return entry


def _add_tags(record: records.Record, item: Item, number: int) -> None:
    if not isinstance(record, records.Conversion) or (item.tag_key or record.tag_key) is None:
        raise ValueError("subject tags belong to a conversion, and to the key that made them")
    if len(item.tags) % records.TAG_BYTES or len(item.tags) > MOST_TAG_BYTES:
        raise ValueError(f"subject tags have {records.TAG_BYTES} bytes each, {MOST_TAG_BYTES} together at most")
    record.tag_key = item.tag_key or record.tag_key
    record.tags = records.tags_digest(number, item.tags)
