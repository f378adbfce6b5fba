"""The socket that monitoring reads: ``GET /metrics`` and nothing else, for the uids that may.

A socket of its own, since who watches the machine need not be let near a conversion, and a role's callers need not see
how much the others convert. It answers as long as the daemon lives: while the token is gone, and while it stops.
However often it is asked, one scrape is made at a time, and told again for a while.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from prometheus_client.core import Metric

from appliance.configuration import MetricsSection
from appliance.daemon import log
from appliance.daemon.accepting import Bounds, Server
from appliance.daemon.bodies import connection_of
from appliance.daemon.exchange import Request
from appliance.daemon.measures import Measures
from appliance.daemon.metrics import scrape
from appliance.daemon.metrics.lag import Lag
from appliance.daemon.problems import Problem
from appliance.daemon.sockets import Listener
from appliance.daemon.wire import Reply, problem_reply

PATH = "/metrics"
METHODS = ("GET", "HEAD")
FRESH_SECONDS = 0.5
MOST_CONNECTIONS = 32  # of its own: it can be looked at while the roles' sockets are full


class MetricsFront:
    """The listening socket of ``[metrics]`` with the server behind it. ``tell``: makes the families of a scrape."""

    def __init__(
        self,
        section: MetricsSection,
        measures: Measures,
        tell: Callable[[], list[Metric]],
        handed: socket.socket | None = None,
    ) -> None:
        """Bind it, or take the one that systemd ``handed`` over; nobody is answered yet.

        Raises:
            SocketRefused: it cannot be made.
        """
        self._listener = Listener(section, handed)
        self._server = Server(self.handle, section.role, Bounds.of(MOST_CONNECTIONS))
        self._tell = tell
        self._measures = measures
        self._lag = Lag(measures.lag)
        self._writer = ThreadPoolExecutor(1, "metrics")
        self._one_at_a_time = asyncio.Lock()
        self._told: dict[str, tuple[float, bytes]] = {}

    def open(self) -> None:
        """Answer from now on."""
        self._server.listen(self._listener.socket)
        log.info("listening for scrapes", socket=self._listener.path)

    async def handle(self, request: Request) -> Reply:
        """Answer one request."""
        try:
            response = await self._answer(request)
        except Problem as problem:
            self._measures.scrapes["refused"] += 1
            return problem_reply(problem)
        self._measures.scrapes["answered"] += 1
        return response

    async def _answer(self, request: Request) -> Reply:
        uid = connection_of(request).caller.uid
        if self._listener.uids is not None and uid not in self._listener.uids:
            raise Problem("caller_denied")
        if request.path != PATH or request.method not in METHODS:
            raise Problem("not_found")
        wanted = scrape.content_type(request.headers.get("Accept", ""))
        body = await self._text(wanted)
        return Reply(body, {"Content-Type": wanted})

    async def _text(self, wanted: str) -> bytes:
        async with self._one_at_a_time:
            at, body = self._told.get(wanted, (0.0, b""))
            if not body or monotonic() - at >= FRESH_SECONDS:
                at, told = monotonic(), self._tell()
                body = await asyncio.get_running_loop().run_in_executor(self._writer, scrape.write, told, wanted)
                self._told[wanted] = at, body
        return body

    async def close(self) -> None:
        """Answer nobody any more."""
        self._lag.close()
        self._listener.remove()
        await self._server.shutdown(0.1)
        self._listener.socket.close()
        self._writer.shutdown(wait=False, cancel_futures=True)
