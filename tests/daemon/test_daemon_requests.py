"""Requests are parsed strictly, and no number can become two lines."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.daemon.problems import Problem
from appliance.daemon.requests import decode_json, parse_json, parse_query, to_lines
from appliance.engine.frames import MAX_LINE_BYTES

GOOD = {"source": "sspin.B", "target": "sspin.E", "purpose": "exchange", "reference": "case 4711", "numbers": ["A"]}
TERMS = {name: value for name, value in GOOD.items() if name != "numbers"}


def test_a_good_question() -> None:
    question = parse_json(json.dumps(GOOD).encode())
    assert (question.source, question.target, question.numbers) == ("sspin.B", "sspin.E", ["A"])
    assert parse_query(urlencode(TERMS)).reference == "case 4711"


def test_names_may_be_escaped_and_fields_named_in_values() -> None:
    text = json.dumps({**GOOD, "reference": 'the "source" of "numbers"', "purpose": "source"})
    assert parse_json(text.encode()).reference == 'the "source" of "numbers"'
    assert parse_json(text.replace('"target"', '"targ\\u0065t"').encode()).target == "sspin.E"


def change(**fields: object) -> bytes:
    return json.dumps({**GOOD, **fields}).encode()


def without(name: str) -> bytes:
    return json.dumps({key: value for key, value in GOOD.items() if key != name}).encode()


WORDS = [*GOOD, "order", "sspin.B", "A"]


@given(
    st.lists(
        st.tuples(st.sampled_from(WORDS), st.sampled_from(WORDS) | st.lists(st.sampled_from(WORDS), max_size=3)),
        max_size=8,
    ),
    st.booleans(),
)
def test_a_field_given_twice_is_found_in_small_and_large_bodies(pairs: list[tuple[str, Any]], large: bool) -> None:
    """In whatever form it would be taken otherwise: the parser itself takes the last one."""
    body = "{" + ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in pairs) + "}"
    body += " " * (10_000 if large else 0)
    fields = (*GOOD, "order")
    twice = [name for name in fields if [given for given, _ in pairs].count(name) > 1]
    decoder = msgspec.json.Decoder(dict[str, Any])
    if twice:
        with pytest.raises(Problem, match="malformed_request") as caught:
            decode_json(body.encode(), decoder, fields)
        assert caught.value.detail == f"{twice[0]}: given twice"
    else:
        assert decode_json(body.encode(), decoder, fields) == dict(pairs)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "truncated"),
        (b"[]", "Expected `object`"),
        (b"{", "truncated"),
        (b'"x"', "Expected `object`"),
        (change() + b"x", "trailing"),
        (b"\xff\xfe", "malformed"),
        (change().replace(b"case", b"ca\xffe"), "utf-8"),
        *((without(name), f"missing required field `{name}`") for name in GOOD),
        (change(more=1), "unknown field `more`"),
        (change(numbers=[]), "length >= 1 - at `$.numbers`"),
        (change(numbers="A"), "Expected `array`"),
        (change(numbers=["A", 1]), r"Expected `str`, got `int` - at `$.numbers"),
        (change(numbers=["A", None]), "got `null`"),
        (change(numbers=[["A"]]), "got `array`"),
        (change(source=1), "Expected `str`"),
        (change(source="x" * 65), "length <= 64 - at `$.source`"),
        (change(reference=""), "length >= 1 - at `$.reference`"),
        (change(reference="x" * 129), "length <= 128 - at `$.reference`"),
        (change(reference="two\nlines"), "reference: only printable characters"),
        (change(reference="\u202ereversed"), "reference: only printable characters"),
        (change(reference="\x7f"), "reference: only printable characters"),
        (b'{"source":"sspin.A",' + change()[1:], "source: given twice"),
        (change()[:-1] + b',"numbers":["B"]}', "numbers: given twice"),
        (b'{"sourc\\u0065":"sspin.A",' + change()[1:], "source: given twice"),
    ],
)
def test_a_bad_question_is_told_what_is_wrong(body: bytes, said: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_json(body)
    assert caught.value.code == "malformed_request"
    assert said in caught.value.detail


def test_deep_nesting_is_refused_not_followed() -> None:
    with pytest.raises(Problem):
        parse_json(b'{"numbers":' + b"[" * 100_000)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "missing required field `source`"),
        ("source", "not URL-encoded"),
        ("source=%ff&target=x&purpose=x&reference=x", "not URL-encoded"),
        (urlencode({**TERMS, "more": "1"}), "unknown field `more`"),
        (urlencode(TERMS) + "&source=sspin.A", "source: given twice"),
        (urlencode({**TERMS, "numbers": "A"}), "unknown field `numbers`"),
        (urlencode({**TERMS, "reference": ""}), "length >= 1"),
        (urlencode({**TERMS, "reference": "a\nb"}), "reference: only printable"),
        (urlencode({**TERMS, "purpose": "x" * 65}), "length <= 64"),
        *(
            (urlencode({key: value for key, value in TERMS.items() if key != name}), f"missing required field `{name}`")
            for name in TERMS
        ),
    ],
)
def test_a_bad_query_is_told_what_is_wrong(query: str, said: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_query(query)
    assert caught.value.code == "malformed_request"
    assert said in caught.value.detail


def test_japanese_references_are_welcome() -> None:
    assert parse_query(urlencode({**TERMS, "reference": "照会 第12号"})).reference == "照会 第12号"
    assert parse_json(change(reference="照会 第12号")).reference == "照会 第12号"


@given(st.lists(st.text(max_size=12) | st.text("AB1\n\r", max_size=300), min_size=1, max_size=20))
def test_every_number_is_one_line_and_only_clean_ones_pass(numbers: list[str]) -> None:
    lines = to_lines(numbers).decode("ascii").split("\n")
    assert lines.pop() == ""
    assert len(lines) == len(numbers)
    for number, line in zip(numbers, lines, strict=True):
        clean = number.isascii() and "\n" not in number and "\r" not in number and len(number) <= MAX_LINE_BYTES
        assert line == (number if clean else "")
