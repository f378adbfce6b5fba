"""Callers who send slowly, read slowly or come in crowds: what is held for them has bounds, and nobody else waits."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from appliance.daemon.limits import Room
from appliance.daemon.problems import Problem
from appliance.daemon.service import MOST_BODY_BYTES, MOST_STREAMS_OF_ONE
from appliance.hubkit import Client
from tests.daemonkit import JSON, Daemon, codes, resident_kilobytes, stopped
from tests.world import World

LARGE = 5_000_000  # bytes; about the most that the hub may send
IMPATIENT = """
from appliance.daemon import bodies
bodies.BODY_SECONDS = 0.3
from appliance.cli import main
main()
"""


ONE, OTHER = ("hub", 1), ("hub", 2)


def test_room_is_given_back_whatever_happens() -> None:
    room = Room(20)
    with room.hold(ONE, 4), room.hold(ONE, 6):
        with pytest.raises(Problem) as caught, room.hold(ONE, 1):
            raise AssertionError("there is none")
        assert (caught.value.code, caught.value.headers["Retry-After"]) == ("overloaded", "1")
    with contextlib.suppress(ZeroDivisionError), room.hold(ONE, 10):
        raise ZeroDivisionError
    with room.hold(ONE, 10):
        assert room.taken == 10
    assert room.taken == 0


def test_nobody_takes_the_room_that_others_need() -> None:
    room = Room(20)
    with room.hold(ONE, 10), room.hold(OTHER, 5):
        for party in (ONE, OTHER):
            with pytest.raises(Problem, match="overloaded"), room.hold(party, 1):
                raise AssertionError("it has its share")
        with room.hold(("portal", 1), 2):
            assert room.taken == 17


@contextlib.contextmanager
def announced(daemon: Daemon, *sizes: int) -> Iterator[list[socket.socket]]:
    """Callers who have announced bodies and sent only their beginning."""
    with contextlib.ExitStack() as stack:
        callers = []
        for size in sizes:
            caller = stack.enter_context(socket.socket(socket.AF_UNIX))
            caller.settimeout(20)
            caller.connect(str(daemon.world.socket("hub")))
            head = (
                f"POST /v1/convert HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n"
            )
            caller.sendall(head.encode() + b'\r\n{"numbers":[')
            callers.append(caller)
        yield callers


def test_questions_of_all_callers_together_have_a_bound(served: Daemon) -> None:
    many = MOST_BODY_BYTES // 2 // LARGE
    with announced(served, *[LARGE] * (many + 1)) as callers:
        answer = callers[-1].recv(65536)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b'"code":"overloaded"' in answer
        assert b"Too many large requests are under way." in answer
        assert b"\r\nRetry-After: 1\r\n" in answer
        assert served.records()[-1]["code"] == "overloaded"
        assert served.convert("sspin.A", "sspin.B", ["?"]).status == 200, "there is room for small ones"
    with announced(served, *[LARGE] * many) as callers:
        time.sleep(0.2)
        for caller in callers:
            caller.setblocking(False)
            with pytest.raises(BlockingIOError):
                caller.recv(1)


def test_answers_that_nobody_takes_have_a_bound_together(served: Daemon) -> None:
    """Those of one caller: half of the room. What was converted for the next one is not handed out."""
    in_a = served.numbers("resident", "sspin.A", codes(10_000), role="numbering")
    question = {"source": "sspin.A", "target": "sspin.B", "purpose": "exchange", "reference": "r", "numbers": in_a}
    body = json.dumps(question).encode()
    kind = "Host: x\r\nContent-Type: application/json"
    head = f"POST /v1/convert HTTP/1.1\r\n{kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    answer = len(served.ask("hub", "POST", "/v1/convert", body, JSON).body)
    with contextlib.ExitStack() as stack:
        held = 0
        for _ in range(2 * MOST_BODY_BYTES // answer):
            caller = stack.enter_context(socket.socket(socket.AF_UNIX))
            caller.settimeout(20)
            caller.connect(str(served.world.socket("hub")))
            caller.sendall(head.encode() + body)
            beginning = caller.recv(64)
            if not beginning.startswith(b"HTTP/1.1 200 OK"):
                break
            held += answer
        assert beginning.startswith(b"HTTP/1.1 503 ")
        assert b"Too many large requests are under way." in caller.recv(65536)
        assert 0.8 < held / (MOST_BODY_BYTES // 2) <= 1.0
    assert served.convert("sspin.A", "sspin.B", in_a).status == 200, "who goes away gives the room back"


def test_a_body_that_does_not_come_is_given_up(small: World) -> None:
    with Daemon(small, program=("-c", IMPATIENT)) as daemon:
        with announced(daemon, 1_000) as (caller,):
            answer = caller.recv(65536)
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert b"body: was not there whole within 0.3 s" in answer
        assert daemon.records()[-1]["code"] == "malformed_request"
        assert daemon.convert("sspin.A", "sspin.B", ["?"]).status == 200
        assert daemon.stop() == 0


def test_as_many_streams_as_there_may_be_wait_for_a_slow_engine_and_none_is_cut(served: Daemon) -> None:
    in_a = served.numbers("resident", "sspin.A", codes(10_000), role="numbering")
    expected = "".join(number + "\n" for number in served.numbers("sspin.A", "sspin.B", in_a)).encode()
    lines = "".join(number + "\n" for number in in_a).encode()
    times, right = 8, []

    def run() -> None:
        out = io.BytesIO()
        why = {"purpose": "exchange", "reference": "a-test"}
        with (
            Client(served.world.socket("hub"), timeout=60) as client,
            client.convert_stream("sspin.A", "sspin.B", io.BytesIO(lines * times), **why) as stream,
        ):
            stream.write_to(out)
        right.append(out.getvalue() == expected * times)

    streams = [threading.Thread(target=run, daemon=True) for _ in range(MOST_STREAMS_OF_ONE)]
    (engine,) = served.engines()
    with stopped(engine):
        for stream in streams:
            stream.start()
        time.sleep(1.5)
        held = resident_kilobytes(served.pid)
    for stream in streams:
        stream.join(60)
    assert right == [True] * MOST_STREAMS_OF_ONE
    assert held < 250_000, "what is read ahead is bounded"
