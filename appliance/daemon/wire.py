"""aiohttp's low-level server, with refusals in our own words: problem documents, also for broken HTTP.

aiohttp writes what it cannot parse into its log and its answers; a body misread as a request could hold
a number, so neither happens here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from appliance.daemon import log
from appliance.daemon.problems import Problem
from appliance.daemon.sockets import Caller, caller

SERVER = "kagimori"
READ_BUFFER = 1 << 18
LONGEST_HEADER = 98_304  # a disclosure order of 64 KiB in base64
_silent = logging.getLogger("kagimori.http")
_silent.setLevel(logging.CRITICAL + 1)

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def problem_response(problem: Problem) -> web.Response:
    """A refusal as an HTTP response."""
    return web.Response(body=problem.body(), status=problem.status, headers={**problem.headers, "Server": SERVER})


def json_response(body: bytes, status: int = 200) -> web.Response:
    """An answer in JSON."""
    return web.Response(body=body, status=status, headers={"Content-Type": "application/json", "Server": SERVER})


async def read_some(request: web.BaseRequest) -> bytes:
    """What has arrived of the body, at least a byte unless it is at its end.

    Raises:
        ConnectionResetError: the caller is gone.
        Problem: malformed_request, if the body's transfer encoding is broken.
    """
    try:
        return await request.content.readany()
    except web.RequestPayloadError:
        if request.transport is None:
            raise ConnectionResetError("the caller is gone") from None
        raise Problem("malformed_request", "body: broken transfer encoding") from None


class Connection(RequestHandler):
    """One connection: it knows its caller, and what it says about errors differs from aiohttp's."""

    __slots__ = ("_role", "caller")

    def __init__(self, role: str, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self._role = role
        self.caller: Caller

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: somebody has connected; who it is cannot change any more."""
        super().connection_made(transport)
        self.caller = caller(transport.get_extra_info("socket"), self._role)

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes from the caller. A body that stops being HTTP is told to whoever reads it."""
        super().data_received(data)
        broken = self._messages and isinstance(self._messages[-1][0], _ErrInfo)
        if broken and self._current_request is not None:
            self._current_request.content.set_exception(web.RequestPayloadError("broken transfer encoding"))

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A problem document; the connection is closed afterwards."""
        if request.writer.output_size > 0 or isinstance(exc, ConnectionError):
            raise ConnectionError("an answer has begun, or nobody waits for it: the connection can only be closed")
        if status >= 500 and exc is not None:
            log.defect("request failed", exc)
        problem = Problem("internal" if status >= 500 else "malformed_request")
        response = problem_response(problem)
        response.force_close()
        return response


class Server(web.Server):
    """Serves one role's connections with a handler."""

    def __init__(self, handler: Handler, role: str) -> None:
        super().__init__(handler)
        self._role = role

    def __call__(self) -> RequestHandler:
        """A protocol for a new connection."""
        return Connection(
            self._role,
            self,
            loop=self._loop,
            logger=_silent,
            access_log=None,
            tcp_keepalive=False,
            keepalive_timeout=600.0,
            lingering_time=2.0,
            read_bufsize=READ_BUFFER,
            max_field_size=LONGEST_HEADER,
            auto_decompress=False,
        )
