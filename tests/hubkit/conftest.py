"""A small HTTP server on a Unix socket in a thread of its own, for what a healthy daemon never answers."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Every request goes to ``handler``; ``connections`` counts the sockets that were opened."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self.path = path
        self.handler = handler
        self.requests: list[tuple[str, str]] = []
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    async def _dispatch(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append((request.method, request.raw_path))
        return await self.handler(request)  # type: ignore[arg-type]

    async def _serve(self) -> None:
        runner = web.ServerRunner(web.Server(self._dispatch), shutdown_timeout=0.1)
        await runner.setup()
        await web.UnixSite(runner, str(self.path)).start()
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._started.set()
        await self._stop.wait()
        await asyncio.sleep(0.05)  # a connection just accepted needs its transport before it can be closed
        await runner.cleanup()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:  # handlers still busy with a client that has gone
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0.01)

    def __enter__(self) -> Server:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()


class RawServer:
    """Answers each connection with fixed bytes, after reading the request's head, and hangs up."""

    def __init__(self, path: Path, answers: list[bytes]) -> None:
        self.path = path
        self._answers = answers
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        for answer in self._answers:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass

    def __enter__(self) -> RawServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def sock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A path for a socket, short enough."""
    return tmp_path_factory.mktemp("s") / "d.sock"


@pytest.fixture
def serve(sock: Path) -> Iterator[Callable[[Handler], Server]]:
    """``serve(handler)`` starts a server at ``sock`` that ends with the test."""
    with ExitStack() as stack:
        yield lambda handler: stack.enter_context(Server(sock, handler))


@pytest.fixture
def serve_raw(sock: Path) -> Iterator[Callable[..., RawServer]]:
    """``serve_raw(b"HTTP/1.1 …", …)``: one answer a connection."""
    with ExitStack() as stack:
        yield lambda *answers: stack.enter_context(RawServer(sock, list(answers)))
