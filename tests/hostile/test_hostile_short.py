"""A short run of what `python -m tests.hostile` does at length: every kind of message, and everything holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.hostile import answers
from tests.hostile.messages import KINDS, MARK, Message, messages
from tests.hostile.trial import Plan, attempt
from tests.world import build_world

PROBLEM = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n"


def test_two_thousand_hostile_messages_change_nothing(tmp_path: Path) -> None:
    world = build_world(tmp_path / "w", keys=("spin", "sspin.A", "sspin.B"))
    report = attempt(world, Plan(2_000, seed=7, rate=500, rounds=1, alone=1))
    assert report.findings == []
    assert {kind for kind, _ in report.sent.outcomes} == set(KINDS)
    assert report.sent.outcomes.total() == 2_000
    assert report.asked > 40
    assert report.refusals >= report.sent.recorded > 200


def test_the_same_seed_makes_the_same_messages() -> None:
    assert list(messages(5, 50)) == list(messages(5, 50)) != list(messages(6, 50))


def _problem(code: str, detail: str = "") -> bytes:
    body = json.dumps({"code": code, "detail": detail}).encode()
    return PROBLEM % len(body) + body


@pytest.mark.parametrize(
    ("received", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" * 2, "2 answers to"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "[200] to"),
        (b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", "500"),
        (b"what\r\n\r\n", "not an answer"),
        (_problem("pair_denied"), "pair_denied with status 400"),
        (_problem("malformed_request", MARK), "repeats a number"),
    ],
)
def test_a_wrong_answer_would_be_noticed(received: bytes, said: str) -> None:
    _, wrong = answers.faults(Message("smuggled", "hub", (b"x",), only=400), received)
    assert any(said in one for one in wrong), wrong


def test_a_right_answer_is_none() -> None:
    found, wrong = answers.faults(
        Message("smuggled", "hub", (b"x",), only=400), _problem("malformed_request", "head: x")
    )
    assert [one.code for one in found] == ["malformed_request"]
    assert not found[0].recorded
    assert wrong == []
