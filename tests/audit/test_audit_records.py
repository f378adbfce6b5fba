"""Audit records: canonical, strict, and without a place for a person's number."""

from __future__ import annotations

import json

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from appliance.audit import records

TIME = "2026-04-01T09:00:00.000001Z"
counts = st.integers(0, 2**53 - 1)
ids = st.integers(0, 2**32 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@st.composite
def conversions(draw: st.DrawFn) -> records.Conversion:
    return records.Conversion(
        record=draw(counts),
        time=TIME,
        role=draw(texts),
        uid=draw(ids),
        gid=draw(ids),
        pid=draw(ids),
        source=draw(texts),
        target=draw(texts),
        purpose=draw(texts),
        reference=draw(texts),
        count=draw(counts),
        converted=draw(counts),
        malformed=draw(counts),
        unknown=draw(counts),
        stream=draw(st.none() | counts),
    )


@given(conversions())
def test_a_record_is_rfc_8785_and_reads_back(record: records.Conversion) -> None:
    line = records.encode(record)
    assert rfc8785.dumps(json.loads(line)) == line
    assert b"\n" not in line
    assert records.decode(line) == record


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"null",
        b"\x00" * 20,
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
    fields = {name for kind in msgspec.inspect.type_info(records.Record).types for name in _fields(kind)}
    assert fields == {
        *("record", "time", "role", "uid", "gid", "pid", "source", "target", "purpose", "reference"),
        *("count", "converted", "malformed", "unknown", "stream", "outcome", "code", "version", "roles"),
        *("reason", "sequence", "head", "removed", "lost"),
    }


def _fields(kind: msgspec.inspect.Type) -> list[str]:
    assert isinstance(kind, msgspec.inspect.StructType)
    return [field.name for field in kind.fields]
