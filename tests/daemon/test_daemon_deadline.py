"""A request with a deadline is begun in time or not at all, and what has begun is never half done."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from appliance.daemon.app import HISTORY
from appliance.daemon.problems import Problem
from appliance.daemon.requests import parse_timeout
from appliance.engine.frames import MAX_LINES_NOW
from tests.daemonkit import JSON, TEXT, Asking, Daemon, Reply, codes, kinds, stopped, stream_path, wait_for
from tests.watchkit import watched_world
from tests.world import softhsm

QUESTION = {"source": "sspin.A", "target": "sspin.B", "purpose": "exchange", "reference": "a test"}
WINDOW = 2  # frames that an engine has at once, of those that it answers at once and of the others
LARGE = MAX_LINES_NOW + 1  # the least that is bulk work


def ask(daemon: Daemon, numbers: list[str], timeout: str) -> Reply:
    body = json.dumps({**QUESTION, "numbers": numbers}).encode()
    return daemon.ask("hub", "POST", "/v1/convert", body, {**JSON, "Kagimori-Timeout": timeout})


@contextlib.contextmanager
def busy(daemon: Daemon) -> Iterator[list[Asking]]:
    """The only engine stands still over two small and two large requests: it is given nothing more, and none is lost.

    That is so until the block ends; a moment later it would be killed.
    """
    (engine,) = daemon.engines()
    with stopped(engine):
        asking = []
        for count in (1, LARGE) * WINDOW:
            asking.append(Asking(daemon, *["?"] * count))
            time.sleep(0.1)
        yield asking
    for one in asking:
        one.join(20)
        assert one.reply is not None and one.reply.status == 200, "those before it were done"
    assert daemon.engines() == [engine]


@pytest.mark.parametrize("count", [1, 5_000], ids=["small", "large"])
def test_what_no_engine_begins_in_time_is_refused_and_not_converted(served: Daemon, count: int) -> None:
    with busy(served):
        before = len(served.records())
        reply = ask(served, ["?"] * count, "100")
        assert (reply.status, reply.code) == (504, "deadline_exceeded")
        assert reply.json["detail"] == ("No engine was free for it within its Kagimori-Timeout; nothing was converted.")
        assert "retry-after" not in reply.headers
    found = served.records()[before:]
    (refusal,) = [record for record in found if record["kind"] == "refusal"]
    assert (refusal["code"], refusal["source"], refusal["target"]) == ("deadline_exceeded", "sspin.A", "sspin.B")
    counts = sorted(record["count"] for record in found if record["kind"] == "conversion")
    assert counts == [1] * WINDOW + [LARGE] * WINDOW


def _all_signed(daemon: Daemon) -> bool:
    audit = daemon.ask("hub", "GET", "/v1/status").json["audit"]
    return bool(audit["signed"] == audit["records"])


def test_what_an_engine_has_in_time_is_answered_however_late(served: Daemon) -> None:
    in_a = served.numbers("resident", "sspin.A", codes(9_000), role="numbering")
    expected = served.numbers("sspin.A", "sspin.B", in_a)
    wait_for(lambda: _all_signed(served))  # a checkpoint that waits to be signed would take one of the engine's places
    (engine,) = served.engines()
    replies: dict[int, Reply] = {}

    def run(count: int) -> None:
        replies[count] = ask(served, in_a[:count], "1500")  # enough for a busy machine to give it to the engine

    with stopped(engine):
        threads = [threading.Thread(target=run, args=(count,)) for count in (3, 9_000)]
        for thread in threads:
            thread.start()
            time.sleep(0.1)
        time.sleep(2.2)
        assert replies == {}, "begun, so it is waited for"
    for thread in threads:
        thread.join(20)
    for count, reply in replies.items():
        assert reply.status == 200
        assert [result["number"] for result in reply.json["results"]] == expected[:count]
    assert len(replies) == 2


def test_with_curl(served: Daemon) -> None:
    curl = str(softhsm()["KAGIMORI_CURL"])
    command = [curl, "-sS", "--fail", "--unix-socket", str(served.world.socket("hub"))]
    command += ["http://kagimori/v1/convert", "-H", "Kagimori-Timeout: 5000"]
    command += ["--json", json.dumps({**QUESTION, "numbers": ["?"]})]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert json.loads(done.stdout)["results"] == [{"error": "malformed_number"}]


def test_nothing_changes_for_what_is_done_in_time(served: Daemon) -> None:
    reply = ask(served, ["?"], "600000")
    assert (reply.status, reply.json["results"]) == (200, [{"error": "malformed_number"}])


@pytest.mark.parametrize(
    "timeout", ["0", "-1", "+5", "05", "1.5", "1e3", "600001", "9999999", "5s", "", "5, 6", "٣", "inf"]
)
def test_other_timeouts_are_refused_and_recorded(served: Daemon, timeout: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_timeout([timeout])
    assert caught.value.detail == "Kagimori-Timeout: milliseconds, 1 to 600000, once"
    if timeout.isascii():
        reply = ask(served, ["?"], timeout)
        assert (reply.status, reply.code, reply.json["detail"]) == (400, "malformed_request", caught.value.detail)
        assert served.records()[-1]["code"] == "malformed_request"


def test_a_timeout_given_twice_is_refused() -> None:
    assert parse_timeout(["1"]) == 0.001
    assert parse_timeout(["600000"]) == 600
    with pytest.raises(Problem):
        parse_timeout(["5", "5"])


def test_a_stream_has_no_deadline(served: Daemon) -> None:
    path = stream_path("sspin.A", "sspin.B", "exchange")
    reply = served.ask("hub", "POST", path, b"?\n", {**TEXT, "Kagimori-Timeout": "1000"})
    assert (reply.status, reply.code) == (400, "malformed_request")
    assert reply.json["detail"] == "Kagimori-Timeout: not for streams, which may not be half done"
    assert kinds(served)[-1] == "refusal"


def test_a_look_up_has_one_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Daemon(watched_world(tmp_path_factory.mktemp("deadline") / "w")) as daemon:
        common = daemon.numbers("resident", "common", codes(1), role="numbering")[0]
        body = json.dumps({"source": "common", "number": common, "reference": "session 1"}).encode()

        def look_up(timeout: str) -> Reply:
            return daemon.ask("portal", "POST", HISTORY, body, {**JSON, "Kagimori-Timeout": timeout})

        assert look_up("5000").status == 200
        with busy(daemon):
            reply = look_up("50")
            assert (reply.status, reply.code) == (504, "deadline_exceeded")
        assert look_up("0").code == "malformed_request"
        seen: list[dict[str, Any]] = daemon.records()
        assert [one["code"] for one in seen if one["kind"] == "refusal"] == ["deadline_exceeded", "malformed_request"]
        assert [one["kind"] for one in seen].count("history_read") == 1
        wait_for(lambda: daemon.stop() == 0)
