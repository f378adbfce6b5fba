"""Audit records: canonical, strict, and without a place for a person's number."""

from __future__ import annotations

import hashlib
import json

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from appliance.audit import records

TIME = "2026-04-01T09:00:00.000001Z"
KINDS = msgspec.inspect.type_info(records.Record).types
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def values(kind: msgspec.inspect.Type) -> st.SearchStrategy[object]:
    """Values of a field's type, as its constraints have it."""
    match kind:
        case msgspec.inspect.IntType():
            return st.integers(kind.ge, kind.le)
        case msgspec.inspect.StrType(pattern=None):
            return texts
        case msgspec.inspect.StrType():
            return st.from_regex(kind.pattern or "", fullmatch=True).map(lambda text: text.rstrip("\n"))
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.UnionType():
            return st.one_of(*map(values, kind.types))
        case msgspec.inspect.VarTupleType():
            return st.lists(values(kind.item_type), max_size=3).map(tuple)
    raise AssertionError(kind)


def one_of(kind: msgspec.inspect.Type) -> st.SearchStrategy[records.Record]:
    assert isinstance(kind, msgspec.inspect.StructType)
    return st.builds(kind.cls, **{field.name: values(field.type) for field in kind.fields})


@given(st.one_of(*map(one_of, KINDS)))
def test_a_record_is_rfc_8785_and_reads_back(record: records.Record) -> None:
    line = records.encode(record)
    assert rfc8785.dumps(json.loads(line)) == line
    assert b"\n" not in line
    assert records.decode(line) == record


def test_the_digest_of_tags_is_salted_by_the_record() -> None:
    tags = bytes(range(32))
    assert records.tags_digest(5, tags) == (hashlib.sha256(b"kagimori/tags/v1\0\0\0\0\0\0\0\0\x05" + tags).hexdigest())
    assert records.tags_digest(6, tags) != records.tags_digest(5, tags) != records.tags_digest(5, tags[16:] + tags[:16])


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"null",
        b"\x00" * 20,
        b"[" * 60_000,
        b'{"kind":"stop","reason":"\xff","record":1,"time":"2026-04-01T09:00:00.000001Z"}',
        b'{"kind":"stop","record":1,"reason":"x","time":"2026-04-01T09:00:00.000001Z"}',
        b'{"kind":"stop","reason":"x","record":1,"time":"2026-04-01T09:00:00.000001Z" }',
        b'{"kind":"stop","reason":"x","record":1,"record":1,"time":"2026-04-01T09:00:00.000001Z"}',
        b'{"kind":"stop","more":1,"reason":"x","record":1,"time":"2026-04-01T09:00:00.000001Z"}',
        b'{"kind":"stop","reason":"x","record":-1,"time":"2026-04-01T09:00:00.000001Z"}',
        b'{"kind":"stop","reason":"x","record":1,"time":"2026-04-01T09:00:00Z"}',
        b'{"kind":"unheard-of","reason":"x","record":1,"time":"2026-04-01T09:00:00.000001Z"}',
    ],
)
def test_what_is_not_the_canonical_encoding_is_no_record(line: bytes) -> None:
    with pytest.raises(records.NotARecord):
        records.decode(line)


def test_the_canonical_line_of_those_is_one() -> None:
    line = b'{"kind":"stop","reason":"x","record":1,"time":"2026-04-01T09:00:00.000001Z"}'
    assert records.decode(line) == records.Stop(reason="x", record=1, time=TIME)


def test_no_record_has_a_field_for_numbers() -> None:
    fields = {name for kind in KINDS for name in _fields(kind)}
    assert fields == {
        *("record", "time", "role", "uid", "gid", "pid", "source", "target", "purpose", "reference"),
        *("count", "converted", "malformed", "unknown", "stream", "outcome", "code", "version", "roles"),
        *("reason", "sequence", "head", "removed", "lost", "title", "actions", "finished", "found", "first"),
        *("tag_key", "tags", "order", "marked"),
    }


def _fields(kind: msgspec.inspect.Type) -> list[str]:
    assert isinstance(kind, msgspec.inspect.StructType)
    return [field.name for field in kind.fields]
