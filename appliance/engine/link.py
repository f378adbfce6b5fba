"""One running engine as the daemon sees it: its socket, its process if the daemon started it, its frames, its deadline.

Up to `WINDOW` frames are in flight, so that the engine finds the next one waiting when it has answered one; and as many
that it answers at once (`appliance.engine.envelope.NOW`), in the middle of the others. Among each of the two it answers
in order; one that takes longer than the deadline for the oldest frame of either, or sends anything but the answer
expected, is killed. An idle one is asked for a sign of life. The process of one
that systemd started is another user's: there the connection is cut, and systemd's watchdog ends what hangs.
"""

from __future__ import annotations

import asyncio
import signal
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, Protocol

from appliance.engine import frames, starting
from appliance.engine.envelope import NOW, Frame, FrameError, FrameReader, Kind, pack
from appliance.engine.frames import Failed, Hello, Reason

Gone = Literal["killed", "died"]
End = Gone | Reason
WINDOW = 2
START_SECONDS = 30.0


class Work(Protocol):
    """A question for an engine, of any kind. ``count``: how many lines are converted by it, for the status."""

    kind: Kind
    count: int

    def pack(self, request: int) -> bytes:
        """Its frame."""

    def settle(self, frame: Frame) -> None:
        """The engine's answer.

        Raises:
            FrameError: it is no answer to this question; then nobody has been told anything.
        """

    def refused(self, code: str) -> None:
        """The engine refused it, or it cannot be done; ``code`` is one of `frames.read_error`, or a problem code."""


class EngineFailed(Exception):
    """An engine could not be started."""

    def __init__(self, failure: Failed) -> None:
        super().__init__(failure.message)
        self.failure = failure


def defect(message: str) -> Failed:
    """A failure that the engine did not name itself."""
    return Failed(reason="defect", message=message, hint=None, exit_code=70)


def silent(message: str) -> Failed:
    """An engine that does not come to serve waits for a token that does not answer: it may be back at any time."""
    hint = "does the token answer? try it and its module with the maker's own tool"
    return Failed(reason="token", message=message, hint=hint, exit_code=5)


class _InFlight:
    """The frames of one kind that an engine has, in the order of their answers; None: a ping.

    ``since``: when the oldest one became the oldest (the event loop's time).
    """

    def __init__(self) -> None:
        self.frames: deque[tuple[int, Work | None]] = deque()
        self.since = 0.0

    def __len__(self) -> int:
        return len(self.frames)

    def answers(self, request: int) -> bool:
        """Whether it is the next one to be answered."""
        return bool(self.frames) and self.frames[0][0] == request

    def put(self, request: int, work: Work | None, moment: float) -> None:
        """One more."""
        if not self.frames:
            self.since = moment
        self.frames.append((request, work))

    def done(self, moment: float) -> None:
        """The oldest one has its answer."""
        self.frames.popleft()
        self.since = moment


class Link(asyncio.Protocol):
    """The socket side of an engine.

    ``on_free`` is called when it can take a frame, ``on_lost`` with the work in flight when it is gone.
    ``signs``: whether its token has the key that signs the log's checkpoints.
    """

    def __init__(
        self, deadline: float, on_free: Callable[[], None], on_lost: Callable[[Link, list[Work]], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadline = deadline
        self._on_free = on_free
        self._on_lost = on_lost
        self._reader = FrameReader()
        self._now, self._other = _InFlight(), _InFlight()
        self._last_request = 0
        self._heard = self._loop.time()  # when the newest answer came
        self._process: asyncio.subprocess.Process | None = None
        self._transport: asyncio.Transport | None = None
        self._tick: asyncio.TimerHandle | None = None
        self._greeting: asyncio.Future[Hello] = self._loop.create_future()
        self.signs = False
        self._gone = asyncio.Event()
        self.closing = False
        self._killed_for: str | None = None
        self.failure: Failed | None = None
        self.answered = 0  # lines, for the status
        self.started = self._heard

    @classmethod
    async def start(
        cls,
        config: Path,
        deadline: float,
        on_free: Callable[[], None],
        on_lost: Callable[[Link, list[Work]], None],
        token: int = 0,
        service: Path | None = None,
    ) -> Link:
        """Start an engine and wait until it serves.

        ``token``: which one of the configuration: 0 is ``[token]``, from 1 on the ``[[clone]]`` tables.
        ``service``: the socket behind which systemd starts it; None: it is a process that is started here.

        Raises:
            EngineFailed: it does not; its own last words if it had any.
        """
        link = cls(deadline, on_free, on_lost)
        try:
            connection, link._process = await starting.start(config, token, service)
        except starting.NotThere as error:
            raise EngineFailed(error.failure) from None
        try:
            await link._loop.create_connection(lambda: link, sock=connection)
            async with asyncio.timeout(START_SECONDS):
                await asyncio.shield(link._greeting)
        except TimeoutError:
            link.kill(f"did not serve within {START_SECONDS:g} s")
            raise EngineFailed(silent(await link.wait_end())) from None
        except EngineFailed:
            how = await link.wait_end()
            raise EngineFailed(link.failure or defect(how)) from None
        except BaseException:
            link.kill("the daemon gave up starting it")
            await link.wait_end()
            raise
        link._tick = link._loop.call_later(link._tick_seconds, link._look)
        return link

    @property
    def hello(self) -> Hello:
        """What the engine said when it began to serve."""
        return self._greeting.result()

    @property
    def load(self) -> int:
        """Lines in flight; what has none counts as one."""
        return sum(max(1, 0 if work is None else work.count) for _, work in self._every)

    @property
    def in_flight(self) -> int:
        """Frames that it has, and has not answered yet."""
        return len(self._now) + len(self._other)

    @property
    def _every(self) -> Iterator[tuple[int, Work | None]]:
        yield from self._other.frames
        yield from self._now.frames

    @property
    def end(self) -> End:
        """Of one that is gone: how it ended, in a word."""
        if self._killed_for is not None:
            return "killed"
        return "died" if self.failure is None else self.failure.reason

    def takes(self, now: bool, most: int = WINDOW) -> bool:
        """Whether it has fewer than ``most`` frames that are answered at once (``now``), or of the others."""
        return len(self._now if now else self._other) < most and not self.closing

    def send(self, work: Work) -> None:
        """Give the engine a frame of work."""
        self._put(work.pack(self._last_request + 1), work)

    def _put(self, frame: bytes, work: Work | None) -> None:
        assert self._transport is not None  # noqa: S101 -- only a started link is handed out
        self._last_request += 1
        kind = self._now if work is None or work.kind in NOW else self._other
        kind.put(self._last_request, work, self._loop.time())
        self._transport.write(frame)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the socket is ready."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 -- a stream socket has one
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes from the engine."""
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
        except FrameError as error:
            self.kill(f"broke the protocol: {error.message}")

    def _take(self, frame: Frame) -> None:
        match frame.kind:
            case Kind.HELLO if not self._greeting.done():
                hello = frames.read_record(frame, Hello)
                self.signs = hello.signs
                self._greeting.set_result(hello)
            case Kind.FAILED:
                self.failure = frames.read_record(frame, Failed)
            case Kind.ANSWER | Kind.TAGGED | Kind.SIGNED | Kind.TESTED | Kind.ERROR | Kind.PONG:
                self._settle(frame)
            case _:
                raise FrameError(f"frame {frame.kind.name}: not for a daemon")

    def _settle(self, frame: Frame) -> None:
        kind = self._now if self._now.answers(frame.request) else self._other
        if not kind.answers(frame.request):
            raise FrameError(f"frame {frame.kind.name}: answers a question that was not asked")
        work = kind.frames[0][1]
        if (work is None) != (frame.kind is Kind.PONG):
            raise FrameError(f"frame {frame.kind.name}: not the answer to that question")
        if work is not None:
            self._tell(work, frame)
        self._heard = self._loop.time()
        kind.done(self._heard)
        if self.closing and not self.in_flight:
            self._hang_up()
        self._on_free()

    def _tell(self, work: Work, frame: Frame) -> None:
        if frame.kind is Kind.ERROR:
            work.refused(frames.read_error(frame, work.kind))
        else:
            work.settle(frame)
            self.answered += work.count

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the engine's end is closed: it died, or it ends as asked."""
        if self._tick is not None:
            self._tick.cancel()
        orphans = [work for _, work in self._every if work is not None]
        self._now, self._other = _InFlight(), _InFlight()
        self.closing = True
        self._gone.set()
        if not self._greeting.done():
            self._greeting.set_exception(EngineFailed(self.failure or defect("the engine died before it could serve")))
            self._greeting.exception()  # seen, even if nobody waits any more
        self._on_lost(self, orphans)

    @property
    def _tick_seconds(self) -> float:
        return min(1.0, self._deadline / 4)

    def _look(self) -> None:
        """Now and then: has the oldest frame waited too long; is an idle engine alive?"""
        latest = self._loop.time() - self._deadline
        if any(kind and kind.since <= latest for kind in (self._now, self._other)):
            self.kill(f"gave no answer for {self._deadline:g} s")
            return
        if self._heard <= latest and not self.in_flight and not self.closing:
            self._put(pack(Kind.PING, self._last_request + 1), None)
        self._tick = self._loop.call_later(self._tick_seconds, self._look)

    def kill(self, why: str) -> None:
        """SIGKILL: an engine in a token module's call heeds nothing else. One that systemd started is left to it."""
        self._killed_for = self._killed_for or why
        self.closing = True
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Let the engine answer what it has, then end."""
        self.closing = True
        if not self.in_flight:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()

    async def wait_end(self) -> str:
        """Wait until the socket is closed and the process, if it is ours, is gone; how it ended, in a few words."""
        if self._transport is not None:
            await self._gone.wait()
        code = None if self._process is None else await self._exit_code(self._process)
        if self._killed_for is not None:
            return self._killed_for
        if self.failure is not None:
            return self.failure.message
        if code is None:
            return "closed its connection; the journal of its unit says why"
        return f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    async def _exit_code(self, process: asyncio.subprocess.Process) -> int:
        try:
            async with asyncio.timeout(self._deadline):
                return await process.wait()
        except TimeoutError:
            self.kill("did not end after its socket was closed")
            return await process.wait()
