"""Canonical JSON: one encoding, and every other one refused."""

from __future__ import annotations

import msgspec
import pytest

from appliance.ledger import canonical
from appliance.ledger.errors import Malformed, MalformedPlan, NotCanonical


class Thing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something to encode."""

    name: str
    count: int
    flag: bool


GOOD = b'{"count":7,"flag":true,"name":"\xe9\x8d\xb5"}'


def test_the_one_encoding_goes_both_ways() -> None:
    thing = Thing(name="鍵", count=7, flag=True)
    assert canonical.encode(thing) == GOOD
    assert canonical.decode(GOOD, Thing) == thing


@pytest.mark.parametrize(
    "data",
    [
        b'{"name":"\xe9\x8d\xb5","count":7,"flag":true}',  # key order
        b'{"count":7, "flag":true,"name":"\xe9\x8d\xb5"}',  # space
        b'{"count":7,"flag":true,"name":"\\u9375"}',  # escape
        b'{"count":7.0,"flag":true,"name":"\xe9\x8d\xb5"}',  # float for integer
        b'{"count":7e0,"flag":true,"name":"\xe9\x8d\xb5"}',
        b'{"count":8,"count":7,"flag":true,"name":"\xe9\x8d\xb5"}',  # duplicate key
        GOOD + b"\n",
        b"\xef\xbb\xbf" + GOOD,  # byte-order mark
    ],
)
def test_another_encoding_of_the_same_is_refused(data: bytes) -> None:
    with pytest.raises((NotCanonical, Malformed)) as refusal:
        canonical.decode(data, Thing)
    assert "canonical" in refusal.value.reason or "JSON" in refusal.value.reason or "float" in refusal.value.reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON in UTF-8"),
        (GOOD[:-1], "not JSON in UTF-8"),
        (GOOD + b"x", "not JSON in UTF-8"),
        (b'{"count":7,"flag":true,"name":"\xff"}', "not JSON in UTF-8"),
        (b'{"count":7,"flag":true,"name":"\\ud800"}', "not JSON in UTF-8"),
        (b"NaN", "not JSON in UTF-8"),
    ],
)
def test_what_is_no_json_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(NotCanonical, match=reason):
        canonical.decode(data, Thing)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"count":7,"extra":1,"flag":true,"name":"x"}', "unknown field `extra`"),
        (b'{"count":7,"name":"x"}', "missing required field `flag`"),
        (b'{"count":"7","flag":true,"name":"x"}', r"Expected `int`, got `str` - at `\$.count`"),
        (b'{"count":7,"flag":1,"name":"x"}', r"Expected `bool`, got `int` - at `\$.flag`"),
        (b'{"count":7,"flag":true,"name":null}', "Expected `str`, got `null`"),
    ],
)
def test_another_shape_is_refused_with_the_field_named(data: bytes, reason: str) -> None:
    with pytest.raises(MalformedPlan, match=reason):
        canonical.decode(data, Thing, malformed=MalformedPlan)


def test_too_much_is_refused_unread() -> None:
    with pytest.raises(NotCanonical, match="at most 4194304 are read"):
        canonical.decode(b" " * (canonical.MAXIMUM_SIZE + 1), Thing)


def test_deep_nesting_ends_in_a_refusal() -> None:
    with pytest.raises((NotCanonical, Malformed)):
        canonical.decode(b'{"count":' + b"[" * 100_000, Thing)
    with pytest.raises((NotCanonical, Malformed)):
        canonical.decode(b'{"a":' * 100_000, dict[str, object])


@pytest.mark.parametrize("value", [1.5, {"a": [1.0]}, 2**53, "\ud800", {1: 2}])
def test_what_json_cannot_carry_exactly_is_not_written(value: object) -> None:
    with pytest.raises(NotCanonical, match="cannot be written as canonical JSON"):
        canonical.encode(value)


def test_keys_are_ordered_by_utf_16_units() -> None:
    """RFC 8785, section 3.2.3: U+1F600 sorts before U+FB33, since its first unit is a surrogate."""
    assert canonical.encode({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()
