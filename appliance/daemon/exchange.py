"""How is one request after another taken off a connection, and answered?

What is dangerous about HTTP is aiohttp's: its parser (llhttp) and the reader of a body. Its server is not used: a task
for each request, and several layers for each answer, cost the event loop much of its time. Here a connection has one
task. It takes a request when the one before is answered. Whatever is no HTTP gets one answer, which quotes nothing of
it (a body misread as a request could hold a number), and then the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpProcessingError, HttpRequestParser, HttpVersion, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from appliance.daemon import log
from appliance.daemon.framing import SMALL_READ
from appliance.daemon.problems import Problem
from appliance.daemon.wire import Reply, head, last_words, problem_reply

LONGEST_FIELD = 98_304  # a disclosure order of 64 KiB in base64
LONGEST_LINE = 8_190
MOST_FIELDS = 64
LINGER_SECONDS = 2.0


class BrokenBody(Exception):
    """A body whose transfer encoding is not HTTP."""


class Request:
    """One request. ``path``: with its query, as it was sent.

    ``begun``: whether an answer to it has begun; ``goes_on``: whether another request may follow on its connection.
    """

    __slots__ = ("begun", "body", "connection", "goes_on", "headers", "method", "path", "version")

    def __init__(self, message: RawRequestMessage, body: StreamReader, connection: Exchange) -> None:
        self.connection = connection
        self.body = body
        self.begun = False
        self.method = message.method
        self.path = message.path
        self.version: HttpVersion = message.version
        self.headers = message.headers
        self.goes_on = not message.should_close

    @property
    def content_length(self) -> int | None:
        """Bytes of its body as it says itself; None if it does not."""
        length = self.headers.get("Content-Length")
        return None if length is None else int(length)

    @property
    def connected(self) -> bool:
        """Whether somebody still waits for the answer."""
        return self.connection.transport is not None

    async def send(self, reply: Reply) -> None:
        """Answer it.

        Raises:
            ConnectionError: nobody waits for the answer any more.
        """
        self.begun = True
        self.goes_on = self.goes_on and not reply.final and not self.connection.ending
        start, body = reply.start(self.version, self.goes_on), reply.body
        if self.method == "HEAD":
            await self.connection.write(start)
        elif len(body) <= SMALL_READ:
            await self.connection.write(start + body)
        else:  # which is not copied once more
            await self.connection.write(start)
            await self.connection.write(body)

    async def send_continue(self) -> None:
        """``Expect: 100-continue``: the caller wants to know first whether to send the body."""
        if self.headers.get("Expect", "").lower() == "100-continue":
            await self.connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")


class Outflow:
    """An answer in chunks, whose length is not known when it begins (RFC 9112, 7.1)."""

    def __init__(self, request: Request, headers: Mapping[str, str]) -> None:
        self._request = request
        self._head = head(200, headers, request.version, request.goes_on) + b"Transfer-Encoding: chunked\r\n\r\n"

    async def write(self, data: bytes) -> None:
        """The next chunk, the head before the first; returns when there is room for more.

        Raises:
            ConnectionError: nobody takes it any more.
        """
        await self._send(b"%x\r\n%b\r\n" % (len(data), data) if data else b"")  # an empty one would be the end

    async def end(self) -> None:
        """All of it is there. Raises as `write`."""
        await self._send(b"0\r\n\r\n")

    async def _send(self, piece: bytes) -> None:
        self._request.begun = True
        before, self._head = self._head, b""
        await self._request.connection.write(before + piece)


Handler = Callable[[Request], Awaitable[Reply | None]]
"""Gives the answer to a request, or None if it has sent it."""


class Exchange(BaseProtocol, asyncio.BufferedProtocol):
    """Requests and answers of one connection. ``ending``: nothing more is listened to.

    How its bytes come in, and when a request is there, is for `appliance.daemon.connection.Connection` to say.
    """

    def __init__(self, handler: Handler, loop: asyncio.AbstractEventLoop) -> None:
        parser = HttpRequestParser(
            self,
            loop,
            SMALL_READ,
            max_line_size=LONGEST_LINE,
            max_field_size=LONGEST_FIELD,
            max_headers=MOST_FIELDS,
            max_msg_queue_size=1,
            auto_decompress=False,
            payload_exception=BrokenBody,
        )
        super().__init__(loop, parser)
        self._handler = handler
        self._task: asyncio.Task[None] | None = None
        self._next: tuple[RawRequestMessage | None, StreamReader] | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._body: StreamReader = EMPTY_PAYLOAD  # the newest request's
        self._asked = False  # a request is there, and not answered
        self.ending = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: it is open."""
        super().connection_made(transport)
        self._task = self._loop.create_task(self._serve())

    def connection_lost(self, exc: BaseException | None) -> None:
        """asyncio: it is closed."""
        super().connection_lost(exc)
        self._stop()
        self._parser = None  # which holds this
        if self._asked or not self._body.is_eof():
            self._body.set_exception(ConnectionResetError("the caller is gone"))

    def resume_reading(self, resume_parser: bool = True) -> None:
        """aiohttp: its body has room. It says so whenever it is read, mostly when nothing had been stopped."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def _parse(self, data: bytes) -> bool:
        """Whether another request has come, or what is none; the parser gives no second one before that is taken."""
        assert self._parser is not None  # noqa: S101 -- it is made with one
        try:
            messages: Any = self._parser.feed_data(data)[0]
        except HttpProcessingError:
            messages = ((None, EMPTY_PAYLOAD),)
        if messages:
            self._next = messages[0]
        return bool(messages)

    def _wake(self) -> None:
        """Somebody may wait for a request."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def _serve(self) -> None:
        try:
            while self.transport is not None and await self._exchange():
                pass
        except ConnectionError:
            pass  # the caller is gone
        except Exception as fault:
            log.defect("connection failed", fault)
        finally:
            self.close()

    async def _exchange(self) -> bool:
        """Take a request, answer it; whether another one may follow."""
        if self._next is None:
            if self.ending:
                return False
            self._waiting = self._loop.create_future()
            await self._waiting
            self._waiting = None
        assert self._next is not None  # noqa: S101 -- that is what it was woken for
        (message, body), self._next = self._next, None
        if self._parser is not None:
            self._parser.message_consumed()
        try:
            if message is None:
                await self.write(last_words(Problem("malformed_request")))
                return False
            request = Request(message, body, self)
            reply = await self._answer(request)
            if reply is not None:
                await request.send(reply)
        finally:
            self._answered()
        return (body.is_eof() or await _at_end(body)) and request.goes_on

    async def _answer(self, request: Request) -> Reply | None:
        try:
            return await self._handler(request)
        except ConnectionError:
            raise
        except Exception as fault:
            log.defect("request failed", fault)
        if request.begun:
            raise ConnectionResetError("an answer has begun: the connection can only be closed")
        return problem_reply(Problem("internal"), final=True)

    def _answered(self) -> None:
        """A request is answered, or its caller is gone."""
        self._asked = False

    async def write(self, data: bytes) -> None:
        """Send so much; returns when there is room for more.

        Raises:
            ConnectionError: nobody takes it any more.
        """
        if self.transport is None or self.transport.is_closing():
            raise ConnectionResetError("the caller is gone")
        self.transport.write(data)
        if self._paused:
            await self._drain_helper()

    def hang_up(self) -> None:
        """Send nothing more."""
        if self.transport is not None:
            self.transport.write_eof()

    def close(self) -> None:
        """Close it, once what was written is sent."""
        self._stop()
        if self.transport is not None:
            self.transport.close()
            self.transport = None

    def _stop(self) -> None:
        self.ending = True
        if self._waiting is not None:
            self._waiting.cancel()

    async def shutdown(self, seconds: float) -> None:
        """Close it; a request under way has so many seconds."""
        self.ending = True
        if self._task is not None and not self._task.done():
            if self._asked:
                await asyncio.wait((self._task,), timeout=seconds)
            self._task.cancel()
        self.close()


async def _at_end(body: StreamReader) -> bool:
    """Take what is left of a body that nobody wanted, for a while; whether it is at its end then."""
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while not body.is_eof():
                await body.readany()
    except (TimeoutError, ConnectionError, BrokenBody):
        return False
    return True
