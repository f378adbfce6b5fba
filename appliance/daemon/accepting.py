"""Who is let in, and how many at a time?

A few connections are accepted at a turn of the event loop, so that a flood of them does not keep it from others. Who
finds no seat is told so. When the system has no more files to give, nothing is accepted for a moment.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import deque
from dataclasses import dataclass

from appliance.daemon import log
from appliance.daemon.connection import Connection
from appliance.daemon.exchange import Handler
from appliance.daemon.limits import Room
from appliance.daemon.problems import Problem
from appliance.daemon.seats import Seats
from appliance.daemon.sockets import Caller, caller
from appliance.daemon.wire import last_words

SEATS_A_TURN = 16
ACCEPTS_A_TURN = 64  # turning somebody away costs a fraction of letting in
MOST_HEAD_BYTES = 16 << 20  # of large heads, all together
PAUSE_SECONDS = 0.5
LOOK_SECONDS = 0.5
LOOKS_A_TURN = 256
MOST_TURNED_AWAY = 64
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


@dataclass(frozen=True)
class Bounds:
    """What all roles' sockets share: seats for connections, and room for large heads."""

    seats: Seats
    heads: Room

    @classmethod
    def of(cls, connections: int) -> Bounds:
        """For so many connections, all together."""
        seats = Seats(connections, asyncio.get_running_loop().time)
        return cls(seats, Room(MOST_HEAD_BYTES, "Too many requests with large heads are under way."))


class Server:
    """Serves one role's connections with a handler. ``turned_away``: how many found no seat."""

    def __init__(self, handler: Handler, role: str, bounds: Bounds) -> None:
        self._loop = asyncio.get_running_loop()
        self._handler = handler
        self._connections: dict[Connection, None] = {}
        self._role = role
        self._bounds = bounds
        self.turned_away = 0
        self._watch: asyncio.Task[None] | None = None
        self._acceptor: _Acceptor | None = None

    def listen(self, listener: socket.socket) -> None:
        """Accept connections from now on."""
        self._acceptor = _Acceptor(listener, self._role, self)
        self._acceptor.open()
        self._watch = asyncio.create_task(self._look_after())

    @property
    def connections(self) -> list[Connection]:
        """Those that are open, or about whose last request something is still done."""
        return list(self._connections)

    def stop_listening(self) -> None:
        """Accept no more; whoever is connected stays so."""
        if self._acceptor is not None:
            self._acceptor.close()

    async def shutdown(self, seconds: float) -> None:
        """Close all connections; requests under way have so many seconds."""
        self.stop_listening()
        if self._watch is not None:
            self._watch.cancel()
        await asyncio.gather(*(connection.shutdown(seconds) for connection in self.connections))

    def seat(self, who: Caller) -> Connection:
        """A seat for a new connection.

        Raises:
            Problem: overloaded.
        """
        connection = Connection(self._handler, who, self._bounds.heads, self.leave, self._loop)
        self._bounds.seats.take(connection.party, connection)
        self._connections[connection] = None
        return connection

    def leave(self, connection: Connection) -> None:
        """A connection is over."""
        self._bounds.seats.leave(connection.party, connection)
        self._connections.pop(connection, None)

    async def _look_after(self) -> None:
        """See who has kept us waiting too long, a few of them at a time."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            everybody = self.connections
            for start in range(0, len(everybody), LOOKS_A_TURN):
                now = self._loop.time()
                for connection in everybody[start : start + LOOKS_A_TURN]:
                    connection.look(now)
                await asyncio.sleep(0)
            if self._acceptor is not None:
                self._acceptor.forget()


class _Acceptor:
    """The listening socket, in the event loop."""

    def __init__(self, listener: socket.socket, role: str, server: Server) -> None:
        self._listener = listener
        self._listener.setblocking(False)  # one handed over by systemd may block
        self._role = role
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._turned_away: deque[socket.socket] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._short = False

    def open(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def close(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener.fileno())
        self.forget()

    def _accept(self) -> None:
        seated = 0
        for _ in range(ACCEPTS_A_TURN):
            if seated == SEATS_A_TURN:
                return
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._wait(error)
                return
            self._short = False
            seated += self._take(connection)

    def _take(self, connection: socket.socket) -> bool:
        """Whether there was a seat for it."""
        connection.setblocking(False)
        try:
            protocol = self._server.seat(caller(connection, self._role))
        except Problem as problem:
            self._server.turned_away += 1
            self._turn_away(connection, problem)
            return False
        task = self._loop.create_task(self._open(protocol, connection))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return True

    async def _open(self, protocol: Connection, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, connection)
        except BaseException:
            self._server.leave(protocol)
            connection.close()
            raise

    def _turn_away(self, connection: socket.socket, problem: Problem) -> None:
        """Tell it why. It is closed a little later, so that one who is still asking gets to read it."""
        try:
            connection.send(last_words(problem))
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            connection.close()
            return
        self._turned_away.append(connection)
        if len(self._turned_away) > MOST_TURNED_AWAY:
            self._turned_away.popleft().close()

    def forget(self) -> None:
        """Close those who were turned away."""
        while self._turned_away:
            self._turned_away.popleft().close()

    def _wait(self, error: OSError) -> None:
        """Not now; trying again at once would only turn in circles."""
        self._loop.remove_reader(self._listener.fileno())
        self._pause = self._loop.call_later(PAUSE_SECONDS, self.open)
        if not self._short or error.errno not in _EXHAUSTED:
            log.error("cannot accept connections", role=self._role, reason=error.strerror)
        self._short = True
