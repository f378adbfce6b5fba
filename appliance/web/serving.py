"""A web server's life: nobody reads its memory, it listens, answers what was accepted, ends at SIGTERM or Ctrl-C.

Who is slow is not waited for: a head or an idle connection has `IDLE_SECONDS`, a form's body what `appliance.web.forms`
gives it, an answer that is not taken `STUCK_SECONDS`; and only so many are connected at a time.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from appliance import hardening
from appliance.systemd import Manager
from appliance.web import log
from appliance.web.listening import Bound, Listen

MOST_CONNECTIONS = 512
IDLE_SECONDS = 30.0
STUCK_SECONDS = 30.0
HANDSHAKE_SECONDS = 10.0
GRACE_SECONDS = 5.0
_silent = logging.getLogger("kagimori.web")  # aiohttp's own words could quote what somebody sent
_silent.setLevel(logging.CRITICAL + 1)
_LIMITS: Any = {
    "access_log": None,
    "auto_decompress": False,
    "keepalive_timeout": IDLE_SECONDS,
    "lingering_time": 2.0,
    "logger": _silent,
    "max_field_size": 8_190,
    "max_headers": 64,
    "max_line_size": 4_096,
}


def prepare() -> Manager:
    """To be called before anything personal is there: as `appliance.hardening`. The service manager, if there is one.

    Raises:
        OSError: the kernel refused.
    """
    hardening.tell_no_exception_text()
    hardening.forbid_reading()
    if hardening.running_as_root():
        log.said("running as root, which is never needed; give it a user of its own")
    return Manager.take()


async def serve(app: web.Application, listen: Listen, said: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. ``said`` is told when it listens, and when it stops.

    Raises:
        ConfigurationError: it cannot listen there.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.set_exception_handler(_report)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(app, shutdown_timeout=GRACE_SECONDS)
    await runner.setup()
    try:
        await _listen(runner, listen, said, stop)
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, listen: Listen, said: Callable[[str], None], stop: asyncio.Event) -> None:
    bound = Bound(listen)
    looking = asyncio.create_task(_look_after(_server(runner)))
    try:
        front = await _open(bound, _Front(_server(runner)))
        said(f"listening on {listen.place} for {listen.origin}")
        await stop.wait()
        said("stopping")
        front.close()
    finally:
        looking.cancel()
        bound.close()


def _server(runner: web.AppRunner) -> web.Server:
    if runner.server is None:
        raise RuntimeError("the runner is not set up")
    return runner.server


async def _open(bound: Bound, front: _Front) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    tls: Any = {} if bound.tls is None else {"ssl": bound.tls, "ssl_handshake_timeout": HANDSHAKE_SECONDS}
    if bound.on_file:
        return await loop.create_unix_server(front.welcome, sock=bound.socket, **tls)
    return await loop.create_server(front.welcome, sock=bound.socket, **tls)


class _Front:
    """Who is let in. Counted from here on: many may be accepted before the first of them counts as connected.

    One whose handshake fails is never told that it is over, so what nobody holds any more does not count.
    """

    def __init__(self, server: web.Server) -> None:
        self._server = server
        self._inside: WeakSet[_Connection] = WeakSet()

    def welcome(self) -> asyncio.Protocol:
        """A new connection's protocol."""
        if len(self._inside) >= MOST_CONNECTIONS:
            return _Full()
        connection = _Connection(self._server, self._inside.discard)
        self._inside.add(connection)
        return connection


class _Connection(RequestHandler):
    """One connection. What cannot be parsed is neither quoted nor logged: it could be anything."""

    def __init__(self, server: web.Server, on_end: Callable[[_Connection], None]) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **_LIMITS)
        self._on_end = on_end

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is over."""
        super().connection_lost(exc)
        self._on_end(self)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The status and nothing else; the connection is closed afterwards."""
        if request.writer.output_size > 0:
            raise ConnectionError
        response = web.Response(status=status, text=f"{status}\n", headers={"Server": "kagimori"})
        response.force_close()
        return response


class _Full(asyncio.Protocol):
    """There is no room: the connection is closed at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it."""
        transport.close()


async def _look_after(server: web.Server) -> None:
    """Break off connections whose answer is not taken."""
    before: dict[Any, int] = {}
    while True:
        await asyncio.sleep(STUCK_SECONDS)
        now: dict[Any, int] = {one: _waiting(one) for one in server.connections}
        for connection, size in now.items():
            if size and before.get(connection) == size:
                connection.transport.abort()
        before = {one: size for one, size in now.items() if size}


def _waiting(connection: Any) -> int:
    """Bytes that the other end has not taken."""
    transport = connection.transport
    return 0 if transport is None else int(transport.get_write_buffer_size())


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What asyncio would print with a traceback, told without the text of any exception."""
    fault = context.get("exception")
    if isinstance(fault, BaseException):
        log.defect(fault)
    else:
        log.said("event loop", message=context.get("message", ""))
