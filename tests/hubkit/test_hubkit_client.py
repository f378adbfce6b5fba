"""The synchronous client against servers that behave, misbehave and disappear."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from appliance.hubkit import (
    AnswerTimeout,
    Client,
    ConnectionLost,
    Converted,
    DaemonUnreachable,
    Failed,
    NumberRefused,
    ProtocolError,
    Refused,
    Retry,
    StreamBroken,
    wire,
)

WHY = {"purpose": "exchange", "reference": "case-1"}
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nKagimori-Source: sspin.B.1\r\nKagimori-Target: sspin.E.1\r\n"
    b"Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def mirror(request: web.Request) -> web.StreamResponse:
    """Converts a number into its reverse; ``BAD…`` is unknown."""
    if request.content_type == "application/json":
        asked = await request.json()
        said = [{"error": "unknown_number"} if n.startswith("BAD") else {"number": n[::-1]} for n in asked["numbers"]]
        return web.json_response({"source": "sspin.B.1", "target": "sspin.E.1", "record": 1, "results": said})
    response = web.StreamResponse(headers={"Kagimori-Source": "sspin.B.1", "Kagimori-Target": "sspin.E.1"})
    await response.prepare(request)
    rest = b""
    async for block in request.content.iter_any():
        *lines, rest = (rest + block).split(b"\n")
        await response.write(b"".join(_mirrored(line) for line in lines))
    if rest:
        await response.write(_mirrored(rest))
    return response


def _mirrored(line: bytes) -> bytes:
    return (b"!unknown_number" if line.startswith(b"BAD") else line[::-1]) + b"\n"


def problem(status: int, code: str, detail: str, **headers: str) -> web.Response:
    body = json.dumps({"type": "about:blank", "title": code, "status": status, "detail": detail, "code": code})
    return web.Response(status=status, text=body, content_type="application/problem+json", headers=headers)


class TestConvert:
    def test_results_in_order_over_one_connection(self, serve: Any, sock: Path) -> None:
        server = serve(mirror)
        with Client(sock) as client:
            for _ in range(3):
                said = client.convert("sspin.B", "sspin.E", ["ABC", "BAD", "XYZ"], **WHY)
                assert said.results == (Converted("CBA"), Failed("unknown_number"), Converted("ZYX"))
        assert server.requests == [("POST", "/v1/convert")] * 3

    def test_one_number(self, serve: Any, sock: Path) -> None:
        serve(mirror)
        with Client(sock) as client:
            assert client.convert_one("sspin.B", "sspin.E", "ABC", **WHY) == "CBA"
            with pytest.raises(NumberRefused, match="the number was not converted: unknown_number"):
                client.convert_one("sspin.B", "sspin.E", "BAD", **WHY)

    def test_a_problem_document_is_raised_and_the_connection_stays_good(self, serve: Any, sock: Path) -> None:
        server = serve(mirror)
        with Client(sock) as client:
            server.handler = _always(lambda: problem(403, "denied", "the role hub may not convert spin to resident"))
            with pytest.raises(Refused, match="denied: the role hub may not convert") as caught:
                client.convert("spin", "resident", ["A"], **WHY)
            assert (caught.value.status, caught.value.code, caught.value.retry_after) == (403, "denied", None)
            server.handler = mirror
            assert client.convert_one("sspin.B", "sspin.E", "ABC", **WHY) == "CBA"

    def test_threads_sharing_a_client_get_their_own_answers(self, serve: Any, sock: Path) -> None:
        serve(mirror)
        wrong: list[str] = []

        def ask(name: str) -> None:
            for n in range(50):
                number = f"{name}{n}"
                if client.convert_one("sspin.B", "sspin.E", number, **WHY) != number[::-1]:
                    wrong.append(number)

        with Client(sock) as client:
            threads = [threading.Thread(target=ask, args=(name,)) for name in "PQRS"]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert wrong == []

    def test_the_answer_after_a_timeout_is_never_taken_for_the_next(self, serve: Any, sock: Path) -> None:
        async def slow(request: web.Request) -> web.StreamResponse:
            if b"LATE" in await request.read():
                await asyncio.sleep(1.0)
            return await mirror(request)

        serve(slow)
        with Client(sock, timeout=0.5) as client:
            with pytest.raises(AnswerTimeout, match=r"no answer within 0\.5 s"):
                client.convert_one("sspin.B", "sspin.E", "LATE", **WHY)
            time.sleep(0.7)
            assert client.convert_one("sspin.B", "sspin.E", "NEXT", **WHY) == "TXEN"

    def test_domains_status_and_ready(self, serve: Any, sock: Path) -> None:
        server = serve(_always(lambda: web.json_response({"state": "serving"})))
        with Client(sock) as client:
            assert client.status() == client.domains() == {"state": "serving"}
            assert client.ready()
            server.handler = _always(lambda: problem(503, "not_ready", "no engine"))
            assert not client.ready()
            with pytest.raises(Refused, match="not_ready: no engine"):
                client.status()
        assert [path for _, path in server.requests] == [
            "/v1/status",
            "/v1/domains",
            "/readyz",
            "/readyz",
            "/v1/status",
        ]

    def test_one_string_is_no_list_of_numbers(self, sock: Path) -> None:
        with Client(sock) as client:
            with pytest.raises(
                TypeError, match="numbers must be a list of strings; for one number there is convert_one"
            ):
                client.convert("sspin.B", "sspin.E", "369PQRST246", **WHY)
            with pytest.raises(TypeError, match="lines must be an iterable of strings or a binary file"):
                client.convert_stream("sspin.B", "sspin.E", "369PQRST246", **WHY)


class TestConnection:
    def test_no_socket(self, sock: Path) -> None:
        with Client(sock) as client:
            with pytest.raises(DaemonUnreachable, match=r"d\.sock: No such file or directory\n  → no socket there"):
                client.status()
            assert not client.ready()

    def test_nobody_listens(self, sock: Path) -> None:
        import socket

        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(sock))
        with Client(sock) as client, pytest.raises(DaemonUnreachable, match="Connection refused") as caught:
            client.status()
        assert caught.value.exit_code == 6

    def test_a_path_too_long_for_a_socket_says_so(self, tmp_path: Path) -> None:
        with (
            pytest.raises(DaemonUnreachable, match="has more than 107 bytes"),
            Client(tmp_path / ("x" * 120)) as client,
        ):
            client.status()

    def test_hung_up_without_an_answer(self, serve_raw: Any, sock: Path) -> None:
        serve_raw(b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", b"SSH-2.0-OpenSSH\r\n")
        with Client(sock) as client:
            for _ in range(2):
                with pytest.raises(ConnectionLost, match="closed the connection before its answer was complete"):
                    client.status()
            with pytest.raises(ProtocolError, match=r"the answer is not HTTP/1\.1: BadStatusLine"):
                client.status()

    def test_a_connection_the_server_closed_while_idle_is_replaced(self, serve: Any, sock: Path) -> None:
        async def once(request: web.Request) -> web.StreamResponse:
            response = await mirror(request)
            asyncio.get_running_loop().call_later(0.05, request.transport.close)  # type: ignore[union-attr]
            return response

        serve(once)
        with Client(sock) as client:
            for _ in range(2):
                assert client.convert_one("sspin.B", "sspin.E", "ABC", **WHY) == "CBA"
                time.sleep(0.15)

    def test_retries_are_opt_in_and_bounded(self, serve: Any, sock: Path) -> None:
        server = serve(_always(lambda: problem(503, "busy", "later", **{"Retry-After": "0"})))
        with Client(sock) as client, pytest.raises(Refused, match="busy: later"):
            client.status()
        assert len(server.requests) == 1
        with Client(sock, retry=Retry(attempts=3)) as client, pytest.raises(Refused, match="busy: later"):
            client.status()
        assert len(server.requests) == 4

    def test_a_retry_that_succeeds(self, serve: Any, sock: Path) -> None:
        answers = iter(
            [problem(503, "busy", "later", **{"Retry-After": "0"}), web.json_response({"ok": 1})],
        )
        server = serve(_always(answers.__next__))
        with Client(sock, retry=Retry()) as client:
            assert client.status() == {"ok": 1}
        assert len(server.requests) == 2


class TestStream:
    def test_more_than_any_buffer_holds_both_ways_at_once(self, serve: Any, sock: Path) -> None:
        serve(mirror)
        numbers = [f"{n:011d}" for n in range(300_000)]
        with Client(sock) as client, client.convert_stream("sspin.B", "sspin.E", numbers, **WHY) as stream:
            assert (stream.source, stream.target) == ("sspin.B.1", "sspin.E.1")
            for number, result in zip(numbers, stream, strict=True):
                assert result == Converted(number[::-1])

    def test_lines_are_drawn_only_as_fast_as_results_are_taken(self, serve: Any, sock: Path) -> None:
        serve(mirror)
        drawn = 0

        def endless() -> Iterator[str]:
            nonlocal drawn
            while True:
                drawn += 1
                yield "369PQRST246"

        with Client(sock) as client, client.convert_stream("sspin.B", "sspin.E", endless(), **WHY) as stream:
            for _ in range(1000):
                next(stream)
            assert drawn < 400_000  # what socket buffers and the server hold, not more

    def test_from_file_to_file_with_failures_and_no_last_line_break(self, serve: Any, sock: Path) -> None:
        serve(mirror)
        out = io.BytesIO()
        with Client(sock) as client:
            stream = client.convert_stream("sspin.B", "sspin.E", io.BytesIO(b"ABC\nBAD\nXYZ"), **WHY)
            assert stream.write_to(out) == 3
        assert out.getvalue() == b"CBA\n!unknown_number\nZYX\n"

    def test_an_empty_stream_is_complete(self, serve: Any, sock: Path) -> None:
        serve(mirror)
        with Client(sock) as client:
            assert list(client.convert_stream("sspin.B", "sspin.E", [], **WHY)) == []

    def test_refused_at_the_door_although_much_is_still_to_be_sent(self, serve: Any, sock: Path) -> None:
        server = serve(_always(lambda: problem(403, "denied", "not for you")))
        with Client(sock) as client, pytest.raises(Refused, match="denied: not for you"):
            client.convert_stream("sspin.B", "sspin.E", ("A" * 11 for _ in range(500_000)), **WHY)
        assert server.requests == [
            ("POST", "/v1/convert?source=sspin.B&target=sspin.E&purpose=exchange&reference=case-1")
        ]

    @pytest.mark.parametrize(
        ("answer", "good", "code"),
        [
            (STREAM_HEAD + chunk(b"CBA\n!!engine_lost\n"), 1, "engine_lost"),
            (STREAM_HEAD + chunk(b"CBA\n!!engine_lost\n") + b"0\r\n\r\n", 1, "engine_lost"),
            (STREAM_HEAD + chunk(b"CBA\n"), 1, "cut_short"),
            (STREAM_HEAD + chunk(b"CBA\nFE"), 1, "cut_short"),
            (STREAM_HEAD + b"100\r\nCBA\n", 1, "cut_short"),
            (STREAM_HEAD + chunk(b"CBA\n") + b"0\r\n\r\n", 1, "wrong_count"),
            (STREAM_HEAD + chunk(b"CBA\nFED\nIHG\n") + b"0\r\n\r\n", 3, "wrong_count"),
            (STREAM_HEAD.replace(b"Transfer-Encoding: chunked\r\n", b"") + b"CBA\n", 1, "wrong_count"),
        ],
    )
    def test_a_stream_cut_short_never_looks_complete(
        self, serve_raw: Any, sock: Path, answer: bytes, good: int, code: str
    ) -> None:
        serve_raw(answer)
        got = []
        with Client(sock) as client, pytest.raises(StreamBroken) as caught:
            for result in client.convert_stream("sspin.B", "sspin.E", ["ABC", "DEF"], **WHY):
                got.append(result)
        assert (caught.value.code, caught.value.lines) == (code, good)
        assert len(got) == good
        assert "the answer is not complete" in str(caught.value)

    def test_other_domains_than_asked_for(self, serve_raw: Any, sock: Path) -> None:
        serve_raw(STREAM_HEAD + b"0\r\n\r\n")
        with Client(sock) as client, pytest.raises(ProtocolError, match=r"asked for target sspin\.F"):
            client.convert_stream("sspin.B", "sspin.F", [], **WHY)

    def test_an_error_of_the_callers_own_lines_comes_through(self, serve: Any, sock: Path) -> None:
        serve(mirror)

        def failing() -> Iterator[str]:
            yield "ABC"
            raise OSError("the register's disk is gone")

        with Client(sock) as client, pytest.raises(OSError, match="the register's disk is gone"):
            list(client.convert_stream("sspin.B", "sspin.E", failing(), **WHY))

    def test_a_stream_that_stands_still_times_out(
        self, serve: Any, sock: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(wire, "RATE_WAIT", 0.0)

        async def stuck(request: web.Request) -> web.StreamResponse:
            await asyncio.sleep(0.6)
            return web.Response()

        serve(stuck)
        with Client(sock, timeout=0.2) as client, pytest.raises(AnswerTimeout, match=r"stood still for 0\.2 s"):
            client.convert_stream("sspin.B", "sspin.E", ["ABC"], **WHY)

    def test_a_slow_producer_does_not_time_out(self, serve: Any, sock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(wire, "RATE_WAIT", 0.0)
        serve(mirror)

        def slow() -> Iterator[str]:
            for number in ("ABC", "DEF"):
                time.sleep(0.8)
                yield number

        with Client(sock, timeout=0.6) as client:
            got = list(client.convert_stream("sspin.B", "sspin.E", slow(), **WHY))
        assert got == [Converted("CBA"), Converted("FED")]


def _always(make: Callable[[], web.Response]) -> Callable[[web.Request], Any]:
    async def handler(request: web.Request) -> web.StreamResponse:
        return make()

    return handler
