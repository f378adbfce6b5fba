"""How much may one caller have us hold, and for how long may it keep us waiting?

One connection, on aiohttp's low-level server, with bounds of its own on everything that a caller decides:

- a small read (8 KiB) until it is let in to send more (`Connection.widen`);
- one request at a time: what it sends before it has its answer is kept unread, a read's worth of it;
- the head: its bytes, its time, and beyond a small read only while there is room for large heads;
- the body: chunks whose framing outweighs what is in them are broken off, trailers and extensions included;
- the answer: who does not take it in time is cut off.

aiohttp writes what it cannot parse into its log and its answers; a body misread as a request could hold a number, so
neither happens here.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.http import HttpRequestParser
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from appliance.daemon import log
from appliance.daemon.framing import LARGE_READ, SMALL_READ, Framing, TooMuchFraming
from appliance.daemon.heads import Head
from appliance.daemon.limits import Room
from appliance.daemon.problems import Problem
from appliance.daemon.seats import Party
from appliance.daemon.sockets import Caller
from appliance.daemon.unwelcome import unwelcome
from appliance.daemon.wire import last_words, problem_response

LARGE_WRITE = 1 << 16
LONGEST_FIELD = 98_304  # a disclosure order of 64 KiB in base64
LONGEST_LINE = 8_190
MOST_FIELDS = 64
ANSWER_SECONDS = 60.0
IDLE_SECONDS = 600.0
LINGER_SECONDS = 2.0
_silent = logging.getLogger("kagimori.http")
_silent.setLevel(logging.CRITICAL + 1)

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connection(RequestHandler, asyncio.BufferedProtocol):
    """One connection. ``on_end`` is told when it is closed and nothing is done for it any more."""

    __slots__ = (
        "_asked",
        "_body",
        "_framing",
        "_head",
        "_held",
        "_on_end",
        "_patience",
        "_rested",
        "_stuck_since",
        "_wire",
        "caller",
    )

    def __init__(
        self,
        server: web.Server,
        who: Caller,
        heads: Room,
        on_end: Callable[[Connection], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        limits: Any = {
            "max_line_size": LONGEST_LINE,
            "max_field_size": LONGEST_FIELD,
            "max_headers": MOST_FIELDS,
            "auto_decompress": False,
        }
        quiet: Any = {"logger": _silent, "access_log": None}
        super().__init__(
            server,
            loop=loop,
            **quiet,
            tcp_keepalive=False,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
            read_bufsize=SMALL_READ,
            **limits,
        )
        failed = web.RequestPayloadError
        self._parser = HttpRequestParser(
            self, loop, SMALL_READ, payload_exception=failed, max_msg_queue_size=1, **limits
        )
        self.caller = who
        self._head = Head(heads, self.party)
        self._on_end = on_end
        self._wire: asyncio.Transport | None = None
        self._framing = Framing()
        self._patience = ANSWER_SECONDS
        self._asked = False  # a request is there, and not answered
        self._body: StreamReader = EMPTY_PAYLOAD  # the newest request's
        self._held = b""
        self._rested = loop.time()
        self._stuck_since: float | None = None

    @property
    def party(self) -> Party:
        """Whose seat and room it takes."""
        return self.caller.role, self.caller.uid

    @property
    def resting_since(self) -> float | None:
        """When it became idle; None if a request is under way."""
        idle = not self._asked and self._body.is_eof() and self.transport is not None and not self._force_close
        return self._rested if idle else None

    def dismiss(self) -> None:
        """Close it, idle as it is."""
        self.force_close()

    def widen(self) -> None:
        """It has been let in to send and to be sent much (a stream, a large question)."""
        self._framing.widen()
        if self._body is not EMPTY_PAYLOAD:
            self._body.set_read_chunk_size(LARGE_READ)
        self._buffers(LARGE_WRITE)

    def stream(self) -> None:
        """As `widen`; besides, whoever answers sees to it that the answer is taken."""
        self.widen()
        self._patience = float("inf")

    def narrow(self) -> None:
        """As it was."""
        self._framing.narrow()
        self._patience = ANSWER_SECONDS
        self._stuck_since = None
        self._buffers(SMALL_READ)

    def _buffers(self, size: int) -> None:
        if self._wire is not None and not self._wire.is_closing():
            self._wire.set_write_buffer_limits(size)
            self._wire.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * size)

    def look(self, now: float) -> None:
        """Now and then: has it kept us waiting too long?"""
        try:
            self._head.check(now)
        except Problem as problem:
            self._give_up(problem)
        if self._wire is None or not self._wire.get_write_buffer_size():
            self._stuck_since = None
        elif self._stuck_since is None:
            self._stuck_since = now
        elif now - self._stuck_since > self._patience:
            self._wire.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: it is open."""
        super().connection_made(transport)
        self._wire = cast("asyncio.Transport", transport)
        self._buffers(SMALL_READ)

    def connection_lost(self, exc: BaseException | None) -> None:
        """asyncio: it is closed. Its seat is free when the request under way is done with, too."""
        task = self._task_handler
        super().connection_lost(exc)
        self._wire, self._held = None, b""
        self._head.whole()
        if not self._asked:
            self._head.release()
        if task is None or task.done():
            self._on_end(self)
        else:
            task.add_done_callback(lambda _: self._on_end(self))

    def get_buffer(self, sizehint: int) -> memoryview:
        """asyncio: where to put what the caller has sent."""
        return self._framing.view

    def buffer_updated(self, nbytes: int) -> None:
        """asyncio: so much is there."""
        self.data_received(bytes(self._framing.view[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Bytes from the caller, or none: then what the parser still has."""
        if self._force_close or self._close:
            return
        if self._asked and self._body.is_eof():
            self._hold(data)
            return
        open_body, count = not self._body.is_eof(), self._request_count
        super().data_received(data)
        if self._request_count != count:
            self._begun(open_body)
        elif not open_body:
            self._more_head(len(data))
        else:
            self._more_body(len(data))

    def _hold(self, data: bytes) -> None:
        if data:
            self._held += data
            if not self._buffer_paused:
                self._pause_reading_for_buffer()

    def _begun(self, open_body: bool) -> None:
        """A request's head is there, or what is none."""
        message, payload = self._messages[-1]
        if open_body:  # no new one: the body of the one before has stopped being HTTP
            self._messages.pop()
            self._break_body()
            return
        self._asked, self._body = True, payload
        self._head.whole()
        self._framing.begin(payload.total_bytes)
        if not isinstance(message, _ErrInfo) and (why := unwelcome(message)):
            self._messages[-1] = _ErrInfo(400, ValueError(why), why), EMPTY_PAYLOAD
            self._body = EMPTY_PAYLOAD
            self._listen_no_more()

    def _more_head(self, size: int) -> None:
        if size:
            try:
                self._head.more(size, self._loop.time())
            except Problem as problem:
                self._give_up(problem)

    def _more_body(self, size: int) -> None:
        try:
            self._framing.more(size, self._body.total_bytes)
        except TooMuchFraming:
            self._break_body()
            return
        if self._body.is_eof() and not self._asked:  # answered before it was whole; the parser may have more
            self.data_received(b"")

    def _break_body(self) -> None:
        self._body.set_exception(web.RequestPayloadError("broken transfer encoding"))
        self._listen_no_more()

    def _listen_no_more(self) -> None:
        """There will be one more answer, and then the end."""
        self._close = True
        self._pause_reading_for_buffer()

    def _give_up(self, problem: Problem) -> None:
        """Say why, outside of any request, and close."""
        self._head.whole()
        if self.transport is not None:
            self.transport.write(last_words(problem))
        self.force_close()

    async def _handle_request(
        self, request: web.BaseRequest, start_time: float | None, request_handler: Handler
    ) -> tuple[web.StreamResponse, bool]:
        try:
            return await super()._handle_request(request, start_time, request_handler)
        finally:
            self._answered()

    def _answered(self) -> None:
        self._asked, self._stuck_since = False, None
        self._rested = self._loop.time()
        self._head.release()
        if self._body.is_eof() and self.transport is not None:
            held, self._held = self._held, b""
            self.data_received(held)
            if self._buffer_paused and not self._held:
                self._resume_reading_for_buffer()

    def _resume_reading_if_drained(self) -> None:
        """aiohttp: a message was taken. Here only an answer lets a caller go on (`_answered`)."""

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
