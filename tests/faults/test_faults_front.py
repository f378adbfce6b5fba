"""Whatever callers do at the front: bounded memory, one clear answer, and nobody else is kept waiting."""

from __future__ import annotations

import contextlib
import json
import resource
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.daemonkit import (
    JSON,
    Daemon,
    UnixConnection,
    codes,
    copy_world,
    kinds,
    resident_kilobytes,
    stopped,
    wait_for,
)
from tests.faults.frontkit import (
    answered,
    connect,
    crowd,
    everything,
    problem,
    processor_seconds,
    statuses,
    tell,
    times,
)
from tests.hostile import forms
from tests.metrickit import with_metrics
from tests.openfiles import open_files
from tests.world import World, build_world

TIGHT = """
from appliance.daemon import app, bodies, connection, heads, seats
seats.MOST_CONNECTIONS = 60
heads.HEAD_SECONDS = 1.0
connection.ANSWER_SECONDS = 1.0
bodies.BODY_SECONDS = 3.0
app.RECORDS_AT_ONCE, app.RECORDS_PER_SECOND = 20, 10.0
from appliance.cli import main
main()
"""
FEW_FILES = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300))
from appliance.cli import main
main()
"""
OPEN = b"POST /v1/convert HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{"
ASK = {"source": "sspin.A", "target": "sspin.B", "purpose": "exchange", "reference": "a test"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build_world(tmp_path_factory.mktemp("front") / "w", keys=("spin", "sspin.A", "sspin.B"))


@pytest.fixture(scope="module")
def open_house(template: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with the limits it comes with."""
    with Daemon(with_metrics(copy_world(template, tmp_path_factory.mktemp("open") / "w"))) as daemon:
        yield daemon
        assert_calm(daemon)
        assert daemon.stop() == 0, daemon.log


@pytest.fixture(scope="module")
def tight(template: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with little room and little patience."""
    with Daemon(
        with_metrics(copy_world(template, tmp_path_factory.mktemp("tight") / "w")), program=("-c", TIGHT)
    ) as daemon:
        yield daemon
        assert_calm(daemon)
        assert daemon.stop() == 0, daemon.log


def assert_calm(daemon: Daemon) -> None:
    """Nothing that happened was a defect."""
    for word in ("request failed", "event loop", "Traceback"):
        assert word not in daemon.log, daemon.log


# --- what could be read in two ways ---------------------------------------------------------------


@pytest.mark.parametrize("name", forms.REFUSED)
def test_what_could_be_smuggled_gets_one_answer_and_a_closed_connection(open_house: Daemon, name: str) -> None:
    answer = tell(open_house.world, forms.REFUSED[name] + forms.NEXT)
    status, code, _ = problem(answer)
    assert (status, code) == (400, "malformed_request")
    assert b"healthy" not in answer


@pytest.mark.parametrize("name", forms.ODD)
def test_what_is_only_odd_is_answered_once(open_house: Daemon, name: str) -> None:
    data, status = forms.ODD[name]
    assert statuses(tell(open_house.world, data)) == [status]


def test_garbage_after_a_request_costs_its_sender_the_connection_and_not_the_answer(open_house: Daemon) -> None:
    answer = tell(open_house.world, forms.get() + b"\0\0garbage\r\n\r\n" + forms.NEXT)
    assert statuses(answer) == [200, 400]


# --- connections ------------------------------------------------------------------------------------


def test_thousands_of_idle_connections_cost_little_and_slow_nobody(open_house: Daemon) -> None:
    daemon, before, open_before = open_house, resident_kilobytes(open_house.pid), open_files(open_house)
    alone = times(daemon, 60)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16_384), hard))
    try:
        with crowd(daemon.world, "hub", 5_000) as callers:
            wait_for(lambda: open_files(daemon) - open_before >= 4_000, 30)
            beside = times(daemon, 60)
            held = resident_kilobytes(daemon.pid) - before
            assert open_files(daemon) - open_before <= 4_200, "one user on one socket gets half of all seats"
            callers[-1].sendall(forms.NEXT)
            assert callers[-1].recv(1 << 16).startswith(b"HTTP/1.1 200 "), "the newest are served"
            assert callers[0].recv(1) == b"", "the oldest have made room"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert held < 80_000, "kilobytes"
    assert beside[30] < 4 * alone[30] + 0.05
    wait_for(lambda: open_files(daemon) - open_before < 50, 30)


def test_who_finds_no_seat_is_told_and_no_other_socket_is_full(tight: Daemon) -> None:
    with crowd(tight.world, "hub", 30, forms.post(b"Content-Length: 100\r\nExpect: 100-continue\r\n")) as callers:
        for caller in callers:
            assert caller.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"
        late = connect(tight.world, "hub")
        assert problem(everything(late)) == (503, "overloaded", "Too many connections.")
        late.close()
        assert tight.convert("resident", "sspin.A", ["?"], role="numbering").status == 200
        for caller in callers:
            assert problem(everything(caller)) == (400, "malformed_request", "body: was not there whole within 3 s")
    wait_for(lambda: tight.convert("sspin.A", "sspin.B", ["?"]).status == 200)


def test_when_files_run_out_nobody_turns_in_circles(tight: Daemon) -> None:
    _, hard = resource.prlimit(tight.pid, resource.RLIMIT_NOFILE)
    before = resource.prlimit(tight.pid, resource.RLIMIT_NOFILE, (open_files(tight), hard))
    try:
        began = processor_seconds(tight)
        with crowd(tight.world, "hub", 3, forms.get(b"Connection: close\r\n")) as callers:
            time.sleep(2)
            assert processor_seconds(tight) - began < 0.7
            assert "ERROR cannot accept connections role=hub reason=" in tight.log
            assert tight.log.count("cannot accept connections") < 8
            resource.prlimit(tight.pid, resource.RLIMIT_NOFILE, before)
            assert [statuses(everything(caller)) for caller in callers] == [[200]] * 3
    finally:
        resource.prlimit(tight.pid, resource.RLIMIT_NOFILE, before)


def test_a_daemon_that_may_open_too_few_files_says_so(template: World) -> None:
    daemon = Daemon(template, program=("-c", FEW_FILES)).launch()
    assert daemon.wait() == 3
    assert "this process may open 300 files only (RLIMIT_NOFILE)" in daemon.log
    assert "allow it at least 320, with LimitNOFILE= or ulimit -n" in daemon.log
    assert "Traceback" not in daemon.log


# --- heads ------------------------------------------------------------------------------------------


def test_a_head_that_does_not_come_is_given_up_however_busily_it_trickles(tight: Daemon) -> None:
    with connect(tight.world) as silent, connect(tight.world) as busy:
        silent.sendall(b"GET /healthz HT")
        end = time.monotonic() + 20
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            busy.sendall(b"GET /healthz HTTP/1.1\r\n")
            while time.monotonic() < end:
                busy.sendall(b"X: y\r\n")
                time.sleep(0.05)
        for caller in (silent, busy):
            assert problem(everything(caller)) == (400, "malformed_request", "head: was not there whole within 1 s")


def test_large_heads_have_room_for_some_and_never_all_of_it_for_one(open_house: Daemon) -> None:
    before = resident_kilobytes(open_house.pid)
    with crowd(open_house.world, "hub", 100, b"GET / HTTP/1.1\r\nX: " + b"y" * 60_000) as callers:
        time.sleep(1)
        told = answered(callers)
        assert len(told) == 100 - 64, "half of the room for large heads, for one user on one socket"
        for answer in told:
            assert problem(answer) == (503, "overloaded", "Too many requests with large heads are under way.")
        assert resident_kilobytes(open_house.pid) - before < 40_000
        assert statuses(
            tell(open_house.world, forms.get(b"Connection: close\r\nX: " + b"y" * 60_000 + b"\r\n"), "portal")
        )
    wait_for(
        lambda: (
            statuses(tell(open_house.world, forms.get(b"Connection: close\r\nX: " + b"y" * 60_000 + b"\r\n"))) == [200]
        )
    )


# --- bodies -----------------------------------------------------------------------------------------


def test_slow_bodies_of_one_leave_room_for_others(open_house: Daemon) -> None:
    large = 5_000_000
    with crowd(open_house.world, "hub", 8, OPEN % large) as callers:
        time.sleep(0.5)
        refused = answered(callers)
        assert len(refused) == 2
        assert {problem(answer)[1] for answer in refused} == {"overloaded"}
        body = json.dumps(
            {"source": "resident", "target": "sspin.A", "purpose": "linking", "reference": "a", "numbers": codes(9_000)}
        )
        reply = open_house.ask("numbering", "POST", "/v1/convert", body.encode(), JSON)
        assert reply.status == 200


@pytest.mark.parametrize(
    ("name", "piece"),
    [
        ("chunks of a byte", b"1\r\nx\r\n"),
        ("endless extension", b"1;" + b"a" * 100),
        ("endless trailers", b"0\r\n" + b"X-Trailer: " + b"y" * 20_000 + b"\r\n"),
    ],
)
def test_a_body_that_is_all_framing_is_broken_off(open_house: Daemon, name: str, piece: bytes) -> None:
    first, rest = (piece, piece.split(b";")[-1]) if b";" in piece else (piece, piece.removeprefix(b"0\r\n"))
    with connect(open_house.world) as caller:
        caller.sendall(forms.post(forms.CHUNKED) + first)
        sent = 0
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while sent < 8 << 20:
                sent += caller.send(rest * (1 + 4_000 // len(rest)))
        answer = everything(caller)
    assert sent < 4 << 20
    assert not answer or problem(answer)[1:] == ("malformed_request", "body: broken transfer encoding")


def test_many_small_pieces_of_a_large_body_cost_no_more_than_their_bytes(open_house: Daemon) -> None:
    numbers = codes(10_000)
    body = json.dumps(
        {"source": "resident", "target": "sspin.A", "purpose": "linking", "reference": "a", "numbers": numbers}
    )
    with connect(open_house.world, "numbering") as caller:
        caller.sendall(forms.post(b"Content-Length: %d\r\nConnection: close\r\n" % len(body)))
        began = processor_seconds(open_house)
        for at in range(0, len(body), 40):
            caller.sendall(body[at : at + 40].encode())
        assert statuses(everything(caller)) == [200]
    assert processor_seconds(open_house) - began < 5


# --- answers ----------------------------------------------------------------------------------------


def test_who_does_not_take_its_answer_is_cut_off_and_the_room_is_free_again(tight: Daemon) -> None:
    body = json.dumps(
        {**ASK, "source": "resident", "target": "sspin.A", "purpose": "linking", "numbers": codes(10_000)}
    )
    whole = forms.post(b"Content-Length: %d\r\n" % len(body), body.encode())
    before, open_before = resident_kilobytes(tight.pid), open_files(tight)
    with crowd(tight.world, "numbering", 10, whole):
        wait_for(lambda: kinds(tight).count("conversion") >= 10, 30)
        assert resident_kilobytes(tight.pid) - before < 60_000
        wait_for(lambda: open_files(tight) <= open_before + 1, 30)
    assert tight.convert("resident", "sspin.A", codes(10_000), role="numbering").status == 200


def test_pipelined_requests_wait_unread_and_are_answered_in_order(open_house: Daemon) -> None:
    paths = [f"/nothing/{place}" for place in range(2_000)]
    flood = forms.post(b"Content-Length: 2\r\n", b"{}") + b"".join(forms.get(target=path.encode()) for path in paths)
    big = 200_000
    flood += forms.post(b"Content-Length: %d\r\n" % big, b"x" * big) * 40
    before = resident_kilobytes(open_house.pid)
    (engine,) = open_house.engines()
    with connect(open_house.world) as caller, stopped(engine):
        caller.sendall(_conversion())
        sender = threading.Thread(target=_send, args=(caller, flood), daemon=True)
        sender.start()
        time.sleep(1.5)
        assert sender.is_alive(), "the daemon reads on only when it has answered"
        assert resident_kilobytes(open_house.pid) - before < 8_000
    sender.join(20)
    with connect(open_house.world) as caller:
        sender = threading.Thread(target=_send, args=(caller, flood + forms.get(b"Connection: close\r\n")), daemon=True)
        sender.start()
        answer = everything(caller)
        sender.join(20)
    assert statuses(answer) == [400] + [404] * 2_000 + [400] * 40 + [200]


def _conversion() -> bytes:
    body = json.dumps({**ASK, "numbers": ["ABC98765XYZ"]}).encode()
    return forms.post(b"Content-Length: %d\r\n" % len(body), body)


def _send(caller: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        caller.sendall(data)


def test_who_stops_sending_and_never_reads_is_forgotten(open_house: Daemon) -> None:
    before = open_files(open_house)
    with crowd(open_house.world, "hub", 100, _conversion()) as callers:
        for caller in callers:
            caller.shutdown(socket.SHUT_WR)
        wait_for(lambda: open_files(open_house) < before + 10)
    assert times(open_house, 1)


# --- records ----------------------------------------------------------------------------------------


def test_a_flood_of_refusals_fills_the_log_no_faster_than_it_may(tight: Daemon) -> None:
    assert tight.ask("hub", "GET", "/healthz").status == 200
    time.sleep(2.5)  # the pace of earlier tests is forgotten
    before, began = kinds(tight).count("refusal"), time.monotonic()
    connection = UnixConnection(tight.world.socket("hub"))
    with contextlib.closing(connection):
        for _ in range(40):
            connection.request("POST", "/v1/convert", b"{}", JSON)
            with connection.getresponse() as response:
                assert response.status == 400
                response.read()
            assert time.monotonic() - began > (kinds(tight).count("refusal") - before - 20) / 10 - 1
    took = time.monotonic() - began
    assert kinds(tight).count("refusal") - before == 40, "each is recorded before it is answered"
    assert took > 1.5, "20 at once, then 10 a second"
    begin = time.monotonic()
    assert tight.convert("sspin.A", "sspin.B", ["?"]).status == 200
    assert time.monotonic() - begin < 5
