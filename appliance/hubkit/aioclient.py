"""The client for programs with an event loop; the same calls as `appliance.hubkit.client`, awaited.

Connections are pooled, so any number of tasks may share one client, and each answer belongs to
its own question by construction.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any, Self

import aiohttp

from appliance.hubkit import history as histories
from appliance.hubkit import mark as marks
from appliance.hubkit import transport, wire
from appliance.hubkit.errors import (
    AnswerTimeout,
    ConnectionLost,
    DaemonUnreachable,
    HubkitError,
    NumberRefused,
    ProtocolError,
    Refused,
)
from appliance.hubkit.history import History
from appliance.hubkit.lines import Incoming, Lines, Outgoing, results
from appliance.hubkit.wire import Conversion, Failed, Result, Retry

_BASE = "http://kagimori"


class AsyncClient:
    """The daemon's socket of one role. Use it as an async context manager.

    Args:
        socket_path: the role's socket.
        timeout: seconds that one answer may take; in a stream, that nothing may arrive, a minute added
            because a role's rate limit can hold a stream that long (a slow producer of lines needs more).
        retry: None (the default) never tries twice.
        connections: the most that are open at a time.
    """

    def __init__(
        self,
        socket_path: str | os.PathLike[str],
        *,
        timeout: float = 10.0,
        retry: Retry | None = None,
        connections: int = 100,
    ) -> None:
        self._path = os.fspath(socket_path)
        self._timeout = timeout
        self._retry = retry or Retry(attempts=1)
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.UnixConnector(transport.checked_path(self._path), limit=self._connections)
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def convert(
        self,
        source: str,
        target: str,
        numbers: Sequence[str],
        *,
        purpose: str,
        reference: str,
        order: bytes = b"",
        deadline: float | None = None,
    ) -> Conversion:
        """Convert some numbers; see `appliance.hubkit.client.Client.convert`."""
        asked = wire.listed(numbers)
        body = wire.question(source, target, asked, purpose, reference, order)
        said = await self._ask("POST", wire.CONVERT, body, deadline)
        return wire.answer(said, source, target, len(asked))

    async def convert_one(
        self,
        source: str,
        target: str,
        number: str,
        *,
        purpose: str,
        reference: str,
        order: bytes = b"",
        deadline: float | None = None,
    ) -> str:
        """Convert one number; see `appliance.hubkit.client.Client.convert_one`."""
        why = {"purpose": purpose, "reference": reference}
        answer = await self.convert(source, target, [number], **why, order=order, deadline=deadline)
        result = answer.results[0]
        if isinstance(result, Failed):
            raise NumberRefused(result.code)
        return result.number

    @asynccontextmanager
    async def convert_stream(
        self, source: str, target: str, lines: Lines, *, purpose: str, reference: str, order: bytes = b""
    ) -> AsyncIterator[AsyncConvertedStream]:
        """``async with client.convert_stream(…) as stream: async for result in stream``.

        ``lines`` may be asynchronous too. Otherwise as `appliance.hubkit.client.Client.convert_stream`.
        """
        outgoing = Outgoing(lines)
        body = _Watched(outgoing)
        headers = {"Content-Type": wire.TEXT, **({wire.ORDER_HEADER: wire.order_text(order)} if order else {})}
        with _translating(body):
            response = await self._open().post(
                _BASE + wire.stream_target(source, target, purpose, reference),
                data=body,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=None, sock_read=self._timeout + wire.RATE_WAIT),
            )
        try:
            with _translating(body):
                if response.status != 200:
                    raise wire.problem(response.status, _lower(response), await response.read())
            yield AsyncConvertedStream(response, outgoing, body, source, target)
        finally:
            response.close()

    async def history(
        self,
        source: str,
        number: str,
        *,
        reference: str,
        limit: int = 100,
        before: int | None = None,
        deadline: float | None = None,
    ) -> History:
        """One person's conversions; see `appliance.hubkit.client.Client.history`."""
        body = histories.question(source, number, reference, limit, before)
        return histories.answer(await self._ask("POST", histories.PATH, body, deadline), source)

    async def mark(
        self, source: str, number: str, record: int, *, reference: str, deadline: float | None = None
    ) -> int:
        """Have it recorded that a conversion is not recognised; see `appliance.hubkit.client.Client.mark`."""
        body = marks.question(source, number, record, reference)
        return marks.answer(await self._ask("POST", marks.PATH, body, deadline))

    async def domains(self) -> Any:
        """The domains, their formats, generations and states (``GET /v1/domains``)."""
        return wire.document(await self._ask("GET", "/v1/domains"))

    async def status(self) -> Any:
        """The daemon's own state (``GET /v1/status``)."""
        return wire.document(await self._ask("GET", "/v1/status"))

    async def ready(self) -> bool:
        """Whether the daemon would convert now; False also when it cannot be reached."""
        try:
            return (await self._once("GET", "/readyz", b""))[0] == 200
        except (DaemonUnreachable, ConnectionLost, AnswerTimeout):
            return False

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise HubkitError("the client is not open", "use it as: async with AsyncClient(path) as client")
        return self._session

    async def _ask(self, method: str, path: str, body: bytes = b"", deadline: float | None = None) -> bytes:
        attempt, more = 1, wire.timeout_header(deadline)
        while True:
            try:
                status, headers, said = await self._once(method, path, body, more)
                if status == 200:
                    return said
                raise wire.problem(status, headers, said)
            except (DaemonUnreachable, Refused) as error:
                attempt += 1
                await asyncio.sleep(self._retry.wait_or_raise(error, attempt))

    async def _once(
        self, method: str, path: str, body: bytes, more: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        headers = {"Content-Type": wire.JSON, **(more or {})} if body else {}
        timeout = aiohttp.ClientTimeout(total=self._timeout)
        with _translating():
            async with self._open().request(
                method, _BASE + path, data=body or None, headers=headers, timeout=timeout
            ) as response:
                return response.status, _lower(response), await response.read()


class AsyncConvertedStream:
    """The results of a stream as an asynchronous iterator; ``source`` and ``target`` are the generations in use."""

    def __init__(
        self, response: aiohttp.ClientResponse, outgoing: Outgoing, body: _Watched, source: str, target: str
    ) -> None:
        self.source = response.headers.get(wire.SOURCE_HEADER, "")
        self.target = response.headers.get(wire.TARGET_HEADER, "")
        wire.check_generations(self.source or None, self.target or None, source, target)
        self._response = response
        self._outgoing = outgoing
        self._body = body
        self._incoming = Incoming()

    async def blocks(self) -> AsyncIterator[bytes]:
        """The answer as text: whole lines, ``!code`` for a failed number.

        Raises:
            StreamBroken: after the good lines, when the answer did not come to its end.
        """
        while block := await self._read():
            whole = self._incoming.take(block)
            if whole:
                yield whole
            self._incoming.check()
        self._incoming.finish(self._outgoing.lines)

    async def _read(self) -> bytes:
        try:
            return await self._response.content.readany()
        except TimeoutError:
            raise AnswerTimeout("the stream stood still for too long", "is the daemon overloaded?") from None
        except (aiohttp.ClientError, OSError) as error:
            self._body.check()
            raise self._incoming.cut(type(error).__name__) from None

    async def __aiter__(self) -> AsyncIterator[Result]:
        async for whole in self.blocks():
            for result in results(whole):
                yield result


class _Watched:
    """The request's body; remembers the caller's own error, which aiohttp would disguise."""

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing
        self._error: BaseException | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for block in self._outgoing:
                yield block
        except Exception as error:
            self._error = error
            raise

    def check(self) -> None:
        """Raise the caller's own error, if there was one."""
        if self._error is not None:
            raise self._error


@contextmanager
def _translating(body: _Watched | None = None) -> Iterator[None]:
    """Turn aiohttp's errors into the hub kit's."""
    try:
        yield
    except TimeoutError:
        raise AnswerTimeout("no answer in time", "is the daemon overloaded?") from None
    except aiohttp.ClientConnectorError as error:
        raise DaemonUnreachable(f"{error.strerror or 'no connection'}", "is the daemon running?") from None
    except (aiohttp.ClientError, OSError) as error:
        if body is not None:
            body.check()
        if isinstance(error, aiohttp.ClientResponseError):
            raise ProtocolError("the answer is not HTTP/1.1") from None
        raise ConnectionLost("the daemon closed the connection before its answer was complete") from None


def _lower(response: aiohttp.ClientResponse) -> dict[str, str]:
    return {name.lower(): text for name, text in response.headers.items()}
