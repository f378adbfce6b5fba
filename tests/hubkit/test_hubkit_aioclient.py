"""The asynchronous client: the same promises as the synchronous one."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from appliance.hubkit import (
    AnswerTimeout,
    ConnectionLost,
    Converted,
    DaemonUnreachable,
    NumberRefused,
    ProtocolError,
    Refused,
    Retry,
    StreamBroken,
    wire,
)
from appliance.hubkit.aioclient import AsyncClient
from appliance.hubkit.errors import HubkitError

WHY = {"purpose": "exchange", "reference": "case-1"}
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nKagimori-Source: sspin.B.1\r\nKagimori-Target: sspin.E.1\r\n"
    b"Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
)


async def mirror(request: web.Request) -> web.StreamResponse:
    if request.content_type == "application/json":
        asked = await request.json()
        said = [{"error": "unknown_number"} if n.startswith("BAD") else {"number": n[::-1]} for n in asked["numbers"]]
        return web.json_response({"source": "sspin.B.1", "target": "sspin.E.1", "record": 1, "results": said})
    response = web.StreamResponse(headers={"Kagimori-Source": "sspin.B.1", "Kagimori-Target": "sspin.E.1"})
    await response.prepare(request)
    rest = b""
    async for block in request.content.iter_any():
        *lines, rest = (rest + block).split(b"\n")
        await response.write(b"".join(line[::-1] + b"\n" for line in lines))
    return response


def problem(status: int, code: str, **headers: str) -> Callable[[web.Request], Any]:
    async def handler(request: web.Request) -> web.StreamResponse:
        body = json.dumps({"type": "about:blank", "status": status, "detail": "said so", "code": code})
        return web.Response(status=status, text=body, content_type="application/problem+json", headers=headers)

    return handler


def test_many_tasks_share_one_client(serve: Any, sock: Path) -> None:
    serve(mirror)

    async def run() -> None:
        async with AsyncClient(sock) as client:
            numbers = [f"N{n}" for n in range(200)]
            asked = (client.convert_one("sspin.B", "sspin.E", number, **WHY) for number in numbers)
            assert await asyncio.gather(*asked) == [number[::-1] for number in numbers]
            with pytest.raises(NumberRefused, match="unknown_number"):
                await client.convert_one("sspin.B", "sspin.E", "BAD", **WHY)

    asyncio.run(run())


def test_problems_retries_and_readiness(serve: Any, sock: Path) -> None:
    server = serve(problem(503, "busy", **{"Retry-After": "0"}))

    async def run() -> None:
        async with AsyncClient(sock) as client:
            assert not await client.ready()
            with pytest.raises(Refused, match="busy: said so") as caught:
                await client.status()
            assert (caught.value.status, caught.value.retry_after) == (503, 0.0)
        assert len(server.requests) == 2
        async with AsyncClient(sock, retry=Retry(attempts=3)) as client:
            with pytest.raises(Refused, match="busy: said so"):
                await client.domains()
        assert len(server.requests) == 5

    asyncio.run(run())


def test_nobody_there(sock: Path) -> None:
    async def run() -> None:
        async with AsyncClient(sock) as client:
            with pytest.raises(DaemonUnreachable, match="No such file or directory"):
                await client.status()
            assert not await client.ready()
        with pytest.raises(HubkitError, match="the client is not open"):
            await client.status()

    asyncio.run(run())


def test_hung_up_or_not_http_or_too_slow(serve_raw: Any, sock: Path) -> None:
    serve_raw(b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", b"SSH-2.0-OpenSSH\r\n\r\n")

    async def run() -> None:
        async with AsyncClient(sock) as client:
            for _ in range(2):
                with pytest.raises(ConnectionLost, match="closed the connection before its answer was complete"):
                    await client.convert("sspin.B", "sspin.E", ["A"], **WHY)
            with pytest.raises(ProtocolError, match=r"the answer is not HTTP/1\.1"):
                await client.convert("sspin.B", "sspin.E", ["A"], **WHY)

    asyncio.run(run())


def test_an_answer_too_late(serve: Any, sock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "RATE_WAIT", 0.0)

    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.5)
        return web.Response()

    serve(slow)

    async def run() -> None:
        async with AsyncClient(sock, timeout=0.1) as client:
            with pytest.raises(AnswerTimeout, match="no answer in time"):
                await client.status()
            with pytest.raises(AnswerTimeout, match="no answer in time"):
                async with client.convert_stream("sspin.B", "sspin.E", ["A"], **WHY):
                    pass

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["sync", "async", "file"])
def test_streams_both_ways_at_once(serve: Any, sock: Path, kind: str) -> None:
    serve(mirror)
    numbers = [f"{n:011d}" for n in range(100_000)]

    async def lines() -> AsyncIterator[str]:
        for number in numbers:
            yield number

    async def run() -> None:
        source = {"sync": numbers, "async": lines(), "file": io.BytesIO("".join(n + "\n" for n in numbers).encode())}
        async with (
            AsyncClient(sock) as client,
            client.convert_stream("sspin.B", "sspin.E", source[kind], **WHY) as stream,  # type: ignore[arg-type]
        ):
            assert (stream.source, stream.target) == ("sspin.B.1", "sspin.E.1")
            assert [r async for r in stream] == [Converted(number[::-1]) for number in numbers]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "good", "code"),
    [
        (STREAM_HEAD + b"13\r\nCBA\n!!engine_lost\n\r\n", 1, "engine_lost"),
        (STREAM_HEAD + b"4\r\nCBA\n\r\n", 1, "cut_short"),
        (STREAM_HEAD + b"4\r\nCBA\n\r\n0\r\n\r\n", 1, "wrong_count"),
        (STREAM_HEAD.replace(b"Transfer-Encoding: chunked\r\n", b"") + b"CBA\n", 1, "wrong_count"),
    ],
)
def test_a_stream_cut_short_never_looks_complete(
    serve_raw: Any, sock: Path, answer: bytes, good: int, code: str
) -> None:
    answer = answer.replace(b"13\r\nCBA", b"%x\r\nCBA" % len(b"CBA\n!!engine_lost\n"))
    serve_raw(answer)
    got: list[object] = []

    async def run() -> None:
        async with (
            AsyncClient(sock) as client,
            client.convert_stream("sspin.B", "sspin.E", ["ABC", "DEF"], **WHY) as stream,
        ):
            async for result in stream:
                got.append(result)

    with pytest.raises(StreamBroken) as caught:
        asyncio.run(run())
    assert (caught.value.code, caught.value.lines, len(got)) == (code, good, good)


def test_refused_at_the_door_and_other_domains(serve: Any, sock: Path) -> None:
    server = serve(problem(403, "denied"))

    async def run(target: str) -> None:
        async with AsyncClient(sock) as client, client.convert_stream("sspin.B", target, ["A"], **WHY):
            pytest.fail("a refused stream must not begin")

    with pytest.raises(Refused, match="denied: said so"):
        asyncio.run(run("sspin.E"))
    server.handler = mirror
    with pytest.raises(ProtocolError, match=r"asked for target sspin\.F, the answer is about sspin\.E\.1"):
        asyncio.run(run("sspin.F"))


def test_an_error_of_the_callers_own_lines_or_block_comes_through(serve: Any, sock: Path) -> None:
    serve(mirror)

    def failing() -> Iterator[str]:
        yield "ABC"
        raise OSError("the register's disk is gone")

    async def run(lines: Any) -> None:
        async with AsyncClient(sock) as client, client.convert_stream("sspin.B", "sspin.E", lines, **WHY) as stream:
            async for _ in stream:
                pass
            raise TimeoutError("the caller's own")

    with pytest.raises(OSError, match="the register's disk is gone"):
        asyncio.run(run(failing()))
    with pytest.raises(TimeoutError, match="the caller's own"):
        asyncio.run(run(["ABC"]))
