"""``deadline=``: what both clients send, and what they say when the daemon was too late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from appliance.daemon.batching import TOO_LATE
from appliance.daemon.problems import Problem
from appliance.daemon.requests import LONGEST_TIMEOUT, TIMEOUT_HEADER, parse_timeout
from appliance.hubkit import Client, Refused, Retry, wire
from appliance.hubkit.aioclient import AsyncClient

WHY: dict[str, Any] = {"purpose": "exchange", "reference": "case-1"}
Ask = Callable[[Path, float | None], Any]


def convert(path: Path, deadline: float | None) -> Any:
    with Client(path) as client:
        return client.convert_one("sspin.B", "sspin.E", "ABC", **WHY, deadline=deadline)


def look_up(path: Path, deadline: float | None) -> Any:
    with Client(path) as client:
        return client.history("common", "1", reference="case-1", deadline=deadline)


def convert_async(path: Path, deadline: float | None) -> Any:
    async def ask() -> Any:
        async with AsyncClient(path) as client:
            return await client.convert_one("sspin.B", "sspin.E", "ABC", **WHY, deadline=deadline)

    return asyncio.run(ask())


def look_up_async(path: Path, deadline: float | None) -> Any:
    async def ask() -> Any:
        async with AsyncClient(path) as client:
            return await client.history("common", "1", reference="case-1", deadline=deadline)

    return asyncio.run(ask())


every_call = pytest.mark.parametrize("ask", [convert, look_up, convert_async, look_up_async])


@every_call
@pytest.mark.parametrize(
    ("deadline", "sent"), [(None, None), (0.25, "250"), (1, "1000"), (0.0001, "1"), (0.0301, "31"), (600, "600000")]
)
def test_the_daemon_is_told_in_milliseconds(
    serve: Any, sock: Path, ask: Ask, deadline: float | None, sent: str | None
) -> None:
    seen: list[str | None] = []

    async def note(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Kagimori-Timeout"))
        return refusal()

    serve(note)
    with pytest.raises(Refused):
        ask(sock, deadline)
    assert seen == [sent]
    assert sent is None or parse_timeout([sent]) == pytest.approx(deadline, abs=0.001)


def refusal() -> web.Response:
    """As the daemon answers what came too late."""
    problem = Problem("deadline_exceeded", TOO_LATE)
    return web.Response(status=problem.status, body=problem.body(), headers=problem.headers)


@every_call
def test_what_came_too_late_is_refused_with_what_to_do(serve: Any, sock: Path, ask: Ask) -> None:
    async def late(request: web.Request) -> web.StreamResponse:
        return refusal()

    server = serve(late)
    with pytest.raises(Refused) as caught:
        ask(sock, 0.05)
    assert (caught.value.code, caught.value.status, caught.value.retry_after) == ("deadline_exceeded", 504, None)
    assert str(caught.value) == (
        "deadline_exceeded: No engine was free for it within its Kagimori-Timeout; nothing was converted."
        "\n  → asking again is safe, nothing was handed out; give it more time, or ask less at a time"
    )
    assert len(server.requests) == 1


def test_it_is_not_tried_again_by_itself(serve: Any, sock: Path) -> None:
    async def late(request: web.Request) -> web.StreamResponse:
        return refusal()

    server = serve(late)
    with Client(sock, retry=Retry(attempts=3)) as client, pytest.raises(Refused):
        client.convert("sspin.B", "sspin.E", ["ABC"], **WHY, deadline=0.05)
    assert len(server.requests) == 1, "a later answer would be of no use to this caller"


@every_call
@pytest.mark.parametrize("deadline", [0, -1, 600.1, float("nan"), float("inf")])
def test_a_deadline_that_makes_no_sense_is_refused_before_anything_is_sent(
    sock: Path, ask: Ask, deadline: float
) -> None:
    with pytest.raises(ValueError, match="deadline: seconds, above 0 and at most 600"):
        ask(sock, deadline)


def test_both_sides_mean_the_same() -> None:
    assert wire.TIMEOUT_HEADER == TIMEOUT_HEADER
    assert wire.LONGEST_DEADLINE * 1_000 == LONGEST_TIMEOUT
