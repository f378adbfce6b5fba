"""What is tried again, for how long, and what a person reads when it is given up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from appliance.bulk import asking
from appliance.bulk.asking import Asker, Terms
from appliance.bulk.errors import DaemonAway, DaemonRefuses, JobStopped
from appliance.errors import KagimoriError
from appliance.hubkit.errors import (
    AnswerTimeout,
    ConnectionLost,
    DaemonUnreachable,
    HubkitError,
    ProtocolError,
    Refused,
    StreamBroken,
)

LINES = b"one\ntwo\n"


class Scripted:
    """A client that fails so many times in a given way and answers then, each line in capitals."""

    def __init__(self, *errors: HubkitError) -> None:
        self.left = list(errors)
        self.asked: list[bytes] = []

    @contextmanager
    def convert_stream(self, source: str, target: str, lines: Any, **terms: object) -> Iterator[Any]:
        assert (source, target) == ("s", "t")
        assert terms == {"purpose": "why", "reference": "case", "order": b"order"}
        sent = b"".join(iter(lambda: lines.read1(65_536), b""))
        self.asked.append(sent)
        yield self
        self.sent = sent

    def blocks(self) -> Iterator[bytes]:
        if self.left:
            yield b"half an answ"
            raise self.left.pop(0)
        yield self.asked[-1].upper()


def asker(*errors: HubkitError, patience: float = 30.0) -> tuple[Asker, Scripted, threading.Event]:
    stopping = threading.Event()
    made = Asker(Path("x"), Terms("why", "case", b"order"), patience=patience, stopping=stopping)
    script = Scripted(*errors)
    made._client = script  # type: ignore[assignment]
    return made, script, stopping


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of no length."""
    monkeypatch.setattr(asking, "LONGEST_PAUSE", 0.001)


PASSING = [
    DaemonUnreachable("x: Connection refused"),
    ConnectionLost("the daemon closed the connection"),
    AnswerTimeout("no answer"),
    StreamBroken("cut_short", 1),
    StreamBroken("stopping", 1),
    StreamBroken("token_unavailable", 0),
    StreamBroken("audit_unavailable", 0),
    Refused("rate_limited", "used up", 429, 0.001),
    Refused("overloaded", "too much", 503, 0.001),
    Refused("engine_lost", "it died", 503),
]


@pytest.mark.parametrize("error", PASSING, ids=lambda error: f"{type(error).__name__} {getattr(error, 'code', '')}")
def test_what_may_pass_is_tried_again(error: HubkitError) -> None:
    """The whole segment anew: half an answer is thrown away."""
    made, script, _ = asker(error, error, error)
    assert made.ask("s", "t", LINES) == b"ONE\nTWO\n"
    assert script.asked == [LINES] * 4


@pytest.mark.parametrize("error", PASSING, ids=lambda error: f"{type(error).__name__} {getattr(error, 'code', '')}")
def test_patience_ends(error: HubkitError) -> None:
    made, script, _ = asker(*[error] * 10_000, patience=0.05)
    with pytest.raises((DaemonAway, DaemonRefuses)) as caught:
        made.ask("s", "t", LINES)
    assert "; tried for 0.05 s" in caught.value.message
    away = isinstance(error, DaemonUnreachable | ConnectionLost | AnswerTimeout) or "cut_short" in str(error)
    assert caught.value.exit_code == (6 if away else 1)
    assert len(script.asked) > 1


FATAL = [
    (Refused("pair_denied", "This role may not.", 403), "pair_denied: This role may not.", "in the policy"),
    (Refused("order_required", "It needs one.", 403), "order_required: It needs one.", "--order"),
    (Refused("generation_unusable", "It is retired.", 409), "It is retired.", "since the job began"),
    (StreamBroken("too_many_numbers", 4), "the daemon refuses: too_many_numbers", "--segment"),
    (StreamBroken("quota_exhausted", 4), "the daemon refuses: quota_exhausted", "after midnight (UTC)"),
    (Refused("quota_exhausted", "Used up.", 429, 40_000.0), "quota_exhausted: Used up.", "after midnight (UTC)"),
    (StreamBroken("wrong_count", 4), "the daemon refuses: wrong_count", None),
]


@pytest.mark.parametrize(("error", "message", "hint"), FATAL, ids=lambda given: getattr(given, "code", ""))
def test_what_will_not_pass_is_said_at_once(error: HubkitError, message: str, hint: str | None) -> None:
    made, script, _ = asker(error)
    with pytest.raises(DaemonRefuses) as caught:
        made.ask("s", "t", LINES)
    assert message in caught.value.message and "tried" not in caught.value.message
    assert hint is None or hint in str(caught.value.hint)
    assert len(script.asked) == 1


def test_an_answer_that_cannot_be_is_never_asked_for_again() -> None:
    made, script, _ = asker(ProtocolError("an empty line"))
    with pytest.raises(ProtocolError, match="an empty line"):
        made.ask("s", "t", LINES)
    assert len(script.asked) == 1


def test_nothing_is_asked_about_nothing() -> None:
    made, script, _ = asker()
    assert made.ask("s", "t", b"") == b""
    assert script.asked == []


def test_a_pause_ends_when_the_job_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LONGEST_PAUSE", 30.0)
    made, _, stopping = asker(*[Refused("overloaded", "too much", 503, 25.0)] * 3)
    threading.Timer(0.1, stopping.set).start()
    begin = time.monotonic()
    with pytest.raises(JobStopped, match="stopped at the last checkpoint"):
        made.ask("s", "t", LINES)
    assert time.monotonic() - begin < 20


def test_a_stream_ends_when_the_job_does() -> None:
    made, _, stopping = asker()
    stopping.set()
    with pytest.raises(JobStopped):
        made.ask("s", "t", LINES)


def test_pauses_grow_and_the_daemon_may_name_longer_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LONGEST_PAUSE", 15.0)
    lost: KagimoriError = ConnectionLost("gone")
    pauses = [asking._wait(lost, attempt) for attempt in range(1, 20)]
    assert pauses[:4] == [0.25, 0.5, 1.0, 2.0]
    assert pauses[-1] == 15.0
    assert asking._wait(Refused("rate_limited", "later", 429, 60.0), 1) == 60.0
