"""A person's conversions: what the index proposes is handed out only if the tag stands in the log, whole."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from appliance.audit import lookup, records
from tests.audit.test_audit_tally import conversion, stop


class Log:
    """Entries with tags; an index that knows only the first bytes of each tag, and proposes everything alike."""

    def __init__(self) -> None:
        self.entries: list[bytes] = []
        self.stored: list[bytes] = []

    def add(self, record: records.Record, *tags: bytes) -> int:
        record.record = len(self.entries) + 1
        self.entries.append(records.encode(record))
        self.stored.append(b"".join(tags))
        return record.record

    def entry(self, record: int) -> bytes:
        return self.entries[record - 1]

    def tags(self, record: int) -> bytes:
        return self.stored[record - 1]

    def find(self, tags: Sequence[bytes], *, before: int | None = None, limit: int = 100) -> list[int]:
        keys = {tag[:1] for tag in tags}
        found = [
            number
            for number, stored in enumerate(self.stored, 1)
            if any(stored[at : at + 1] in keys for at in range(0, len(stored), 16))
            and (before is None or number < before)
        ]
        return found[::-1][:limit]


def numbers(log: Log, *tags: bytes, **options: int) -> list[int]:
    return [one.conversion.record for one in lookup.conversions(log, log, tags, **options)]


ME, OTHER = b"\x01" * 16, b"\x01" + b"\x02" * 15


def test_only_records_with_the_whole_tag_are_found() -> None:
    log = Log()
    log.add(conversion(0, 1), ME)
    log.add(conversion(0, 2), OTHER, secrets.token_bytes(16))
    log.add(conversion(0, 3), OTHER, ME)
    assert numbers(log, ME) == [3, 1]
    assert numbers(log, OTHER) == [3, 2]
    assert numbers(log, b"\x01" + b"\x03" * 15) == []


def test_a_tag_across_two_others_is_nobodys() -> None:
    log = Log()
    tags = b"\x05" + secrets.token_bytes(15), secrets.token_bytes(16)
    log.add(conversion(0, 2), *tags)
    across = (tags[0] + tags[1])[3:19]
    assert lookup._has(log.stored[0], tags[1])
    assert not lookup._has(log.stored[0], across)
    assert lookup._has(across + log.stored[0][:16] + across, across)


def test_all_key_generations_count_and_the_newest_comes_first() -> None:
    log = Log()
    new = b"\x09" * 16
    log.add(conversion(0, 1), ME)
    log.add(conversion(0, 1), new)
    assert numbers(log, new, ME) == [2, 1]


def test_what_is_no_conversion_is_left_out() -> None:
    log = Log()
    log.add(stop(0), ME)
    log.add(conversion(0, 1), ME)
    assert numbers(log, ME) == [2]


@given(
    mine=st.lists(st.booleans(), max_size=400),
    limit=st.integers(1, 30),
    first=st.integers(1, 50),
    before=st.none() | st.integers(1, 400),
)
def test_as_a_plain_search_finds_them(mine: list[bool], limit: int, first: int, before: int | None) -> None:
    log = Log()
    for is_mine in mine:
        log.add(conversion(0, 1), ME if is_mine else OTHER)
    wanted = [n for n, is_mine in enumerate(mine, 1) if is_mine and n >= first and (before is None or n < before)]
    found = [
        one.conversion.record for one in lookup.conversions(log, log, (ME,), first=first, before=before, limit=limit)
    ]
    assert found == wanted[::-1][:limit]
