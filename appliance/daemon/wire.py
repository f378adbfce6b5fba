"""What goes back over the wire: answers in JSON, refusals as problem documents; and how a body is read."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from appliance.daemon.problems import Problem

SERVER = "kagimori"


def problem_response(problem: Problem) -> web.Response:
    """A refusal as an HTTP response."""
    return web.Response(body=problem.body(), status=problem.status, headers={**problem.headers, "Server": SERVER})


def json_response(body: bytes, status: int = 200) -> web.Response:
    """An answer in JSON."""
    return web.Response(body=body, status=status, headers={"Content-Type": "application/json", "Server": SERVER})


def last_words(problem: Problem) -> bytes:
    """A refusal as bytes, for a connection that is closed after it, without a request that it would answer."""
    body = problem.body()
    headers = {**problem.headers, "Content-Length": str(len(body)), "Server": SERVER, "Connection": "close"}
    lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


async def read_some(request: web.BaseRequest) -> bytes:
    """What has arrived of the body, at least a byte unless it is at its end.

    Raises:
        ConnectionResetError: the caller is gone.
        Problem: malformed_request, if the body's transfer encoding is broken.
    """
    try:
        return await request.content.readany()
    except (web.RequestPayloadError, RuntimeError):  # RuntimeError: the connection was closed from our side
        if request.transport is None:
            raise ConnectionResetError("the caller is gone") from None
        raise Problem("malformed_request", "body: broken transfer encoding") from None
