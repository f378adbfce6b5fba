"""Outcomes in themselves: shapes, times and text."""

from __future__ import annotations

import msgspec
import pytest
from ledgerkit import GOOD_ATTRIBUTES, Book, make_outcome, make_plan, results_for

from appliance.ledger import canonical, outcome
from appliance.ledger.actions import Generate
from appliance.ledger.errors import MalformedOutcome, NotCanonical


@pytest.fixture
def raw(book: Book) -> dict[str, object]:
    plan = make_plan([Generate(generation="sspin.E.2", parent="spin.1")], state=book.state)
    told: dict[str, object] = msgspec.to_builtins(make_outcome(plan, b"", results_for(book.state, plan)))
    return told


def refused(raw: object) -> str:
    with pytest.raises(MalformedOutcome) as refusal:
        outcome.parse(canonical.encode(raw))
    return refusal.value.reason


def test_a_good_outcome_passes(raw: dict[str, object]) -> None:
    assert msgspec.to_builtins(outcome.parse(canonical.encode(raw))) == raw


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"type": "kagimori/plan/v1"}, "Invalid enum value 'kagimori/plan/v1'"),
        ({"sequence": 0}, "Expected `int` >= 1"),
        ({"plan": "x"}, "Expected `str` matching regex"),
        ({"authorization": "AB" * 32}, "Expected `str` matching regex"),
        ({"started": "now"}, "Expected `str` matching regex"),
        ({"started": "2026-02-30T00:00:00Z"}, "started: '2026-02-30T00:00:00Z' is not an instant"),
        ({"finished": "2026-04-01T09:01:59Z"}, "finished: must not be earlier than started"),
        ({"operator": ""}, "operator: must have 1 to 200 characters, has 0"),
        ({"operator": "a\nb"}, "operator: U+000A is not printable text on one line"),
        ({"tool": "x\u202e"}, "tool: U+202E is not printable text on one line"),
        ({"results": []}, "Expected `array` of length >= 1"),
        ({"results": [{"action": "other"}]}, "Invalid value 'other'"),
        ({"extra": 1}, "unknown field `extra`"),
        ({"durations": []}, "durations: one for each result"),
        ({"durations": [1, 2]}, "durations: one for each result"),
        ({"durations": [-1]}, "Expected `int` >= 0"),
        ({"notes": [{"at": "2026-02-30T00:00:00Z", "text": "x"}]}, "notes: 1: at: '2026-02-30T00:00:00Z' is not an"),
        ({"notes": [{"at": "2026-04-01T09:02:00Z", "text": "a\nb"}]}, "notes: 1: text: U+000A is not printable text"),
        ({"notes": [{"at": "2026-04-01T09:02:00Z", "text": "x" * 1001}]}, "notes: 1: text: must have 1 to 1000"),
        ({"annexes": ["AB" * 32]}, "Expected `str` matching regex"),
    ],
)
def test_shapes(raw: dict[str, object], changes: dict[str, object], reason: str) -> None:
    assert reason in refused({**raw, **changes})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"label": ""}, "token: label: must have 1 to 200 characters"),
        ({"serial": "a\x00"}, "token: serial: U+0000 is not printable text on one line"),
        ({"manufacturer": "a\tb"}, "token: manufacturer: U+0009 is not printable"),
        ({"model": " x"}, "token: model: must not begin or end with a space"),
        ({"firmware": "1"}, "unknown field `firmware`"),
    ],
)
def test_the_token_s_facts(raw: dict[str, object], changes: dict[str, str], reason: str) -> None:
    assert reason in refused({**raw, "token": {**raw["token"], **changes}})  # type: ignore[dict-item]


def test_a_token_may_leave_maker_and_model_empty(raw: dict[str, object]) -> None:
    facts = {**raw["token"], "manufacturer": "", "model": ""}  # type: ignore[dict-item]
    outcome.parse(canonical.encode({**raw, "token": facts}))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"key_id": "ab" * 15}, "Expected `str` matching regex"),
        ({"key_id": "AB" * 16}, "Expected `str` matching regex"),
        ({"check_value": "ab" * 7}, "Expected `str` matching regex"),
        ({"attributes": {**GOOD_ATTRIBUTES, "Sensitive": True}}, "Expected `str` matching regex"),
        ({"attributes": {**GOOD_ATTRIBUTES, "value": None}}, "Expected `bool | int | str`, got `null`"),
        ({"attributes": {f"a{number}": 1 for number in range(65)}}, "Expected `object` of length <= 64"),
        ({"secret": "x"}, "unknown field `secret`"),
    ],
)
def test_results(raw: dict[str, object], changes: dict[str, object], reason: str) -> None:
    result = {**raw["results"][0], **changes}  # type: ignore[index]
    assert reason in refused({**raw, "results": [result]})


def test_other_bytes_of_the_same_outcome(raw: dict[str, object]) -> None:
    with pytest.raises(NotCanonical, match="not in its canonical form"):
        outcome.parse(canonical.encode(raw) + b" ")
