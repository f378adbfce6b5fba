"""How much may one caller have us hold, and for how long may it keep us waiting?

One connection, with bounds on everything that a caller decides:

- a small read (8 KiB) until it is let in to send more (`Connection.widen`);
- one request at a time: what it sends before it has its answer is kept unread, a read's worth of it;
- the head: its bytes, its time, and beyond a small read only while there is room for large heads;
- the body: chunks whose framing outweighs what is in them are broken off, trailers and extensions included;
- the answer: who does not take it in time is cut off.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import cast

from aiohttp.streams import EMPTY_PAYLOAD

from appliance.daemon.exchange import BrokenBody, Exchange, Handler
from appliance.daemon.framing import LARGE_READ, SMALL_READ, Framing, TooMuchFraming
from appliance.daemon.heads import Head
from appliance.daemon.limits import Room
from appliance.daemon.problems import Problem
from appliance.daemon.seats import Party
from appliance.daemon.sockets import Caller
from appliance.daemon.unwelcome import unwelcome
from appliance.daemon.wire import last_words

LARGE_WRITE = 1 << 16
ANSWER_SECONDS = 60.0
IDLE_SECONDS = 600.0


class Connection(Exchange):
    """One connection. ``on_end`` is told when it is closed and nothing is done for it any more."""

    def __init__(
        self,
        handler: Handler,
        who: Caller,
        heads: Room,
        on_end: Callable[[Connection], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(handler, loop)
        self.caller = who
        self._head = Head(heads, self.party)
        self._on_end = on_end
        self._wire: asyncio.Transport | None = None
        self._framing = Framing()
        self._patience = ANSWER_SECONDS
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
        idle = not self._asked and self._body.is_eof() and self.transport is not None and not self.ending
        return self._rested if idle else None

    def dismiss(self) -> None:
        """Close it, idle as it is."""
        self.close()

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
        rested = self.resting_since
        if rested is not None and now - rested > IDLE_SECONDS:
            self.dismiss()
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
        super().connection_lost(exc)
        self._wire, self._held = None, b""
        self._head.whole()
        if not self._asked:
            self._head.release()
        if self._task is None or self._task.done():
            self._on_end(self)
        else:
            self._task.add_done_callback(lambda _: self._on_end(self))

    def get_buffer(self, sizehint: int) -> memoryview:
        """asyncio: where to put what the caller has sent."""
        return self._framing.view

    def buffer_updated(self, nbytes: int) -> None:
        """asyncio: so much is there."""
        self.data_received(bytes(self._framing.view[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Bytes from the caller, or none: then what the parser still has."""
        if self.ending:
            return
        if self._asked and self._body.is_eof():
            self._hold(data)
            return
        open_body = not self._body.is_eof()
        if self._parse(data):
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
        assert self._next is not None  # noqa: S101
        message, body = self._next
        if open_body:  # no new one: the body of the one before has stopped being HTTP
            self._next = None
            self._break_body()
            return
        self._asked, self._body = True, body
        self._head.whole()
        self._framing.begin(body.total_bytes)
        if message is not None and unwelcome(message):
            self._next, self._body = (None, EMPTY_PAYLOAD), EMPTY_PAYLOAD
            self._listen_no_more()
        self._wake()

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
        self._body.set_exception(BrokenBody("broken transfer encoding"))
        self._listen_no_more()

    def _listen_no_more(self) -> None:
        """There will be one more answer, and then the end."""
        self.ending = True
        self._pause_reading_for_buffer()

    def _give_up(self, problem: Problem) -> None:
        """Say why, outside of any request, and close."""
        self._head.whole()
        if self.transport is not None:
            self.transport.write(last_words(problem))
        self.close()

    def _answered(self) -> None:
        super()._answered()
        self._stuck_since = None
        self._rested = self._loop.time()
        self._head.release()
        if self._body.is_eof() and self.transport is not None:
            held, self._held = self._held, b""
            self.data_received(held)
            if self._buffer_paused and not self._held:
                self._resume_reading_for_buffer()
