"""Requests and answers of one connection, over a real socket: what is said, when it goes on, and when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from appliance.configuration import SocketSection
from appliance.daemon import accepting, connection, exchange
from appliance.daemon.accepting import Bounds, Server
from appliance.daemon.exchange import Handler, Outflow, Request
from appliance.daemon.problems import Problem
from appliance.daemon.sockets import Listener
from appliance.daemon.wire import Reply, json_reply, problem_reply

GET = b"GET / HTTP/1.1\r\nHost: kagimori\r\n\r\n"
CLOSE = b"GET / HTTP/1.1\r\nHost: kagimori\r\nConnection: close\r\n\r\n"
SECRET = "ABC98765XYZ"
Work = Callable[[Path, Server], Awaitable[None]]


async def fine(request: Request) -> Reply:
    return json_reply(b'{"path":"%b"}' % request.path.encode())


def serve(folder: Path, handler: Handler, work: Work) -> None:
    async def main() -> None:
        listener = Listener(SocketSection(role="hub", path=folder / "hub.sock"))
        server = Server(handler, "hub", Bounds.of(16))
        server.listen(listener.socket)
        try:
            async with asyncio.timeout(30):
                await work(listener.path, server)
        finally:
            await server.shutdown(0.1)
            listener.socket.close()
        assert not server.connections, "each seat is free again"

    asyncio.run(main())


def answers(folder: Path, handler: Handler, data: bytes, *, end: bool = False) -> bytes:
    """All that comes back for some bytes until the connection is closed; ``end``: nothing more is sent."""
    said = b""

    async def work(path: Path, server: Server) -> None:
        nonlocal said
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(data)
        if end:
            writer.write_eof()
        said = await reader.read()
        writer.close()

    serve(folder, handler, work)
    return said


def fields(head: bytes) -> dict[str, str]:
    lines = head.decode("ascii").split("\r\n")[1:]
    return dict(line.split(": ", 1) for line in lines if line)


def parted(answer: bytes) -> tuple[bytes, dict[str, str], bytes]:
    """Status line, header fields, body of one answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0], fields(head), body


# --- what is said ----------------------------------------------------------------------------------


def test_every_answer_names_server_moment_and_length(tmp_path: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    status, said, body = parted(answers(tmp_path, fine, CLOSE))
    assert (status, body) == (b"HTTP/1.1 200 OK", b'{"path":"/"}')
    assert said.keys() == {"Content-Type", "Server", "Date", "Content-Length", "Connection"}
    assert (said["Content-Type"], said["Server"], said["Content-Length"]) == ("application/json", "kagimori", "12")
    assert before <= parsedate_to_datetime(said["Date"]) <= before + timedelta(seconds=5)
    assert said["Date"].endswith(" GMT")


@pytest.mark.parametrize(
    ("asked", "status", "answered"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 OK", None),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + CLOSE, b"HTTP/1.0 200 OK", "keep-alive"),
        (CLOSE, b"HTTP/1.1 200 OK", "close"),
        (GET + CLOSE, b"HTTP/1.1 200 OK", None),
    ],
)
def test_whether_it_goes_on_is_said_where_it_is_not_the_rule(
    tmp_path: Path, asked: bytes, status: bytes, answered: str | None
) -> None:
    answer = answers(tmp_path, fine, asked)
    first, said, _ = parted(answer)
    assert first == status
    assert said.get("Connection") == answered
    assert answer.count(b"200 OK") == 1 + asked.endswith(b"\r\n\r\n" + CLOSE)


def test_head_is_the_same_without_a_body(tmp_path: Path) -> None:
    _, said, body = parted(answers(tmp_path, fine, CLOSE.replace(b"GET", b"HEAD")))
    assert (said["Content-Length"], body) == ("12", b"")


def test_a_refusal_says_when_to_try_again(tmp_path: Path) -> None:
    async def refuse(request: Request) -> Reply:
        return problem_reply(Problem("rate_limited", retry_after=41))

    status, said, body = parted(answers(tmp_path, refuse, CLOSE))
    assert status == b"HTTP/1.1 429 Too Many Requests"
    assert (said["Content-Type"], said["Retry-After"]) == ("application/problem+json", "41")
    assert b'"code":"rate_limited"' in body


def test_a_large_answer_comes_whole_to_who_takes_it_slowly(tmp_path: Path) -> None:
    large = bytes(range(256)) * 20_000

    async def much(request: Request) -> Reply:
        return Reply(large, {"Content-Type": "application/octet-stream"})

    async def work(path: Path, server: Server) -> None:
        reader, writer = await asyncio.open_unix_connection(path, limit=1 << 14)
        writer.write(CLOSE)
        await asyncio.sleep(0.3)
        answer = await reader.read()
        assert answer.partition(b"\r\n\r\n")[2] == large
        writer.close()

    serve(tmp_path, much, work)


def test_an_answer_in_chunks(tmp_path: Path) -> None:
    async def flow(request: Request) -> None:
        out = Outflow(request, {"Content-Type": "text/plain", "Kagimori-Source": "sspin.B.1"})
        for piece in (b"one\n", b"", b"x" * 300):
            await out.write(piece)
        await out.end()

    status, said, body = parted(answers(tmp_path, flow, CLOSE))
    assert status == b"HTTP/1.1 200 OK"
    assert (said["Transfer-Encoding"], said["Kagimori-Source"]) == ("chunked", "sspin.B.1")
    assert "Content-Length" not in said
    assert body == b"4\r\none\n\r\n12c\r\n" + b"x" * 300 + b"\r\n0\r\n\r\n"


def test_an_empty_answer_in_chunks(tmp_path: Path) -> None:
    async def nothing(request: Request) -> None:
        await Outflow(request, {}).end()

    _, said, body = parted(answers(tmp_path, nothing, CLOSE))
    assert (said["Transfer-Encoding"], body) == ("chunked", b"0\r\n\r\n")


# --- one after another -----------------------------------------------------------------------------


def test_requests_sent_at_once_are_answered_one_after_another(tmp_path: Path) -> None:
    under_way = most = 0

    async def slow(request: Request) -> Reply:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1
        return await fine(request)

    asked = b"".join(GET.replace(b"GET /", b"GET /%d" % number) for number in range(20)) + CLOSE
    answer = answers(tmp_path, slow, asked)
    places = [answer.index(b'{"path":"/%d"}' % number) for number in range(20)]
    assert places == sorted(places)
    assert answer.count(b"200 OK") == 21
    assert most == 1


@pytest.mark.parametrize(
    "next_one", [b"NO HTTP\r\n\r\n", GET.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")]
)
def test_what_is_no_request_behind_one_is_answered_in_its_turn_and_ends_it(tmp_path: Path, next_one: bytes) -> None:
    async def slow(request: Request) -> Reply:
        await asyncio.sleep(0.1)
        return await fine(request)

    answer = answers(tmp_path, slow, GET + next_one + GET)
    first, second = answer.index(b"HTTP/1.1 200 OK"), answer.index(b"HTTP/1.1 400 Bad Request")
    assert first < second
    assert answer.count(b"HTTP/1.1 ") == 2, "nothing is listened to after that"
    assert b'"code":"malformed_request"' in answer


def test_a_body_that_nobody_wanted_is_taken_away_before_the_next_request(tmp_path: Path) -> None:
    body = b"z" * 100_000
    asked = b"POST / HTTP/1.1\r\nHost: kagimori\r\nContent-Length: 100000\r\n\r\n" + body
    assert answers(tmp_path, fine, asked + CLOSE).count(b"200 OK") == 2


def test_a_body_without_end_that_nobody_wanted_ends_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "LINGER_SECONDS", 0.2)
    asked = b"POST / HTTP/1.1\r\nHost: kagimori\r\nContent-Length: 100000\r\n\r\nzz"
    assert answers(tmp_path, fine, asked).count(b"200 OK") == 1


# --- when something goes wrong ---------------------------------------------------------------------


def test_a_defect_is_told_without_its_words_and_ends_the_connection(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(request: Request) -> Reply:
        raise ValueError(SECRET)

    answer = answers(tmp_path, broken, GET + GET)
    status, said, body = parted(answer)
    assert (status, said["Connection"]) == (b"HTTP/1.1 500 Internal Server Error", "close")
    assert b'"code":"internal"' in body
    assert answer.count(b"HTTP/1.1 ") == 1
    told = capsys.readouterr().err
    assert "request failed" in told and "ValueError" in told
    assert SECRET not in told and SECRET.encode() not in answer


def test_a_defect_in_the_middle_of_an_answer_leaves_it_without_its_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(request: Request) -> None:
        await Outflow(request, {}).write(b"one\n")
        raise ValueError(SECRET)

    answer = answers(tmp_path, broken, GET + GET)
    assert answer.endswith(b"\r\n\r\n4\r\none\n\r\n")
    assert answer.count(b"HTTP/1.1 ") == 1, "no second head in the middle of a body"
    assert SECRET not in capsys.readouterr().err


def test_who_is_gone_is_told_of_where_it_is_waited_for(tmp_path: Path) -> None:
    seen: list[str] = []

    async def reading(request: Request) -> Reply:
        try:
            await request.body.readany()
            await request.body.readany()
        except ConnectionError as error:
            seen.append(str(error))
            assert not request.connected
            raise
        return await fine(request)

    asked = b"POST / HTTP/1.1\r\nHost: kagimori\r\nContent-Length: 9\r\n\r\nzz"

    async def work(path: Path, server: Server) -> None:
        _, writer = await asyncio.open_unix_connection(path)
        writer.write(asked)
        await asyncio.sleep(0.2)
        writer.transport.abort()
        while server.connections:
            await asyncio.sleep(0.01)

    serve(tmp_path, reading, work)
    assert seen == ["the caller is gone"]


def test_nothing_is_sent_to_who_is_gone_and_the_seat_is_free(tmp_path: Path) -> None:
    failed: list[type[BaseException]] = []

    async def late(request: Request) -> None:
        await asyncio.sleep(0.3)
        try:
            await Outflow(request, {}).write(b"one\n")
        except ConnectionError as error:
            failed.append(type(error))
            raise

    async def work(path: Path, server: Server) -> None:
        _, writer = await asyncio.open_unix_connection(path)
        writer.write(GET)
        await asyncio.sleep(0.1)
        writer.transport.abort()
        await asyncio.sleep(0.1)
        assert len(server.connections) == 1, "as long as its request is under way"
        while server.connections:
            await asyncio.sleep(0.01)

    serve(tmp_path, late, work)
    assert failed == [ConnectionResetError]


# --- the end ---------------------------------------------------------------------------------------


def test_who_asks_nothing_for_long_is_closed_and_who_waits_for_an_answer_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.3)
    monkeypatch.setattr(accepting, "LOOK_SECONDS", 0.05)

    async def slow(request: Request) -> Reply:
        await asyncio.sleep(1)
        return await fine(request)

    async def work(path: Path, server: Server) -> None:
        silent, one = await asyncio.open_unix_connection(path)
        asking, other = await asyncio.open_unix_connection(path)
        other.write(GET)
        assert await silent.read() == b""
        assert (await asking.readline()) == b"HTTP/1.1 200 OK\r\n"
        assert (await asking.read()).endswith(b'{"path":"/"}'), "closed in its turn when it is idle"
        one.close()
        other.close()

    serve(tmp_path, slow, work)


def test_a_shutdown_ends_with_the_last_chunk_of_an_answer(tmp_path: Path) -> None:
    """What said at its beginning that another request may follow is listened to no more all the same."""

    async def flow(request: Request) -> None:
        out = Outflow(request, {})
        await out.write(b"one\n")
        await asyncio.sleep(0.3)
        await out.end()

    async def work(path: Path, server: Server) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(GET)
        await reader.readuntil(b"one\n")
        async with asyncio.timeout(10):
            await server.shutdown(3_600)
        assert (await reader.read()).endswith(b"0\r\n\r\n")
        writer.close()

    serve(tmp_path, flow, work)


def test_a_shutdown_waits_for_an_answer_and_not_for_ever(tmp_path: Path) -> None:
    async def slow(request: Request) -> Reply:
        await asyncio.sleep(0.3 if request.path == "/soon" else 60)
        return await fine(request)

    async def work(path: Path, server: Server) -> None:
        ends = []
        for where in (b"/soon", b"/never", b""):
            reader, writer = await asyncio.open_unix_connection(path)
            if where:
                writer.write(GET.replace(b"/ ", where + b" "))
            ends.append((reader, writer))
        await asyncio.sleep(0.1)
        await server.shutdown(1)
        soon, never, idle = [await reader.read() for reader, _ in ends]
        assert soon.endswith(b'{"path":"/soon"}')
        assert fields(soon.partition(b"\r\n\r\n")[0])["Connection"] == "close"
        assert never == idle == b""
        for _, writer in ends:
            writer.close()

    serve(tmp_path, slow, work)
