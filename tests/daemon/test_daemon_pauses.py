"""While somebody waits for a small answer streams pause: what that means for a stream, who counts, and for how long."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from appliance.daemon import pauses as module
from appliance.daemon.pauses import Pauses
from keyceremony.plans import setup_file
from tests.chunkedkit import chunked
from tests.daemonkit import JSON, Daemon, codes, kinds, stopped, wait_for
from tests.watchkit import history, watched_policy
from tests.world import build_world

# ── How long ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class SlowClock(asyncio.SelectorEventLoop):
    """An event loop whose time goes on only where there is nothing to do but wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        real = self._selector.select  # type: ignore[attr-defined]

        def select(timeout: float | None) -> Any:
            assert timeout is not None, "nothing will ever happen"
            self.now += timeout
            return real(0)

        self._selector.select = select  # type: ignore[attr-defined]

    def time(self) -> float:
        return self.now


def run(work: Callable[[Pauses], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        await work(Pauses())

    with asyncio.Runner(loop_factory=SlowClock) as runner:
        runner.run(main())


def now() -> float:
    return asyncio.get_running_loop().time()


def test_when_nobody_waits_a_stream_does_not_either() -> None:
    async def work(pauses: Pauses) -> None:
        with pauses:
            pass
        step = pauses.over()
        with pytest.raises(StopIteration):
            step.send(None)

    run(work)


def test_streams_go_on_as_soon_as_the_last_one_is_answered() -> None:
    async def work(pauses: Pauses) -> None:
        with contextlib.suppress(ZeroDivisionError), pauses:
            with pauses:
                streams = [asyncio.create_task(pauses.over()) for _ in range(3)]
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.001)
            assert not any(stream.done() for stream in streams), "another one waits"
            raise ZeroDivisionError
        await asyncio.gather(*streams)
        assert now() == pytest.approx(0.002)

    run(work)


def test_they_never_pause_longer_than_engines_have_work_for() -> None:
    async def work(pauses: Pauses) -> None:
        with pauses:
            await pauses.over()
            assert now() == pytest.approx(module.MOST_SECONDS)

    run(work)


def test_an_earlier_pause_does_not_cut_a_later_one_short() -> None:
    async def work(pauses: Pauses) -> None:
        with pauses:
            first = asyncio.create_task(pauses.over())
            await asyncio.sleep(module.MOST_SECONDS / 4)
        await first
        await asyncio.sleep(module.MOST_SECONDS / 2)  # longer than its share
        with pauses:
            begun = now()
            await pauses.over()
            assert now() - begun == pytest.approx(module.MOST_SECONDS)

    run(work)


@pytest.mark.parametrize("people", [1, 50])
def test_whoever_waits_and_however_long_streams_have_a_third_of_the_time(people: int) -> None:
    async def work(pauses: Pauses) -> None:
        worked = 0.0
        with contextlib.ExitStack() as stack:
            for _ in range(people):
                stack.enter_context(pauses)
            while now() < 1.0:
                await pauses.over()
                await asyncio.sleep(0.0001)
                worked += 0.0001
        assert 0.33 < worked / now() < 0.36

    run(work)


def test_a_stream_that_is_given_up_while_it_pauses_keeps_nobody() -> None:
    async def work(pauses: Pauses) -> None:
        with pauses:
            gone, stays = asyncio.create_task(pauses.over()), asyncio.create_task(pauses.over())
            await asyncio.sleep(0.001)
            gone.cancel()
        await stays
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert now() == pytest.approx(0.001)

    run(work)


# ── What a stream does not do meanwhile, and who makes it pause ──────────────────────────────────────────────────────

CONTROLLED = """
import asyncio, os, time
from pathlib import Path
from appliance.daemon import pauses
folder = Path({folder!r})
pauses.MOST_SECONDS = 600.0
made = pauses.Pauses.__init__

def init(self):
    made(self)
    self.told = self._loop.create_task(tell(self))

async def tell(self):
    waits = False
    while True:
        if (folder / "somebody").exists() != waits:
            waits = not waits
            self.__enter__() if waits else self.__exit__(None, None, None)
        (folder / "counted").write_text(str(self._people - waits))
        (folder / "counted").rename(folder / "people")
        await asyncio.sleep(0.002)

pauses.Pauses.__init__ = init
sync = os.fdatasync

def held(descriptor):
    while (folder / "hold").exists():
        time.sleep(0.002)
    sync(descriptor)

os.fdatasync = held
from appliance.cli import main
main()
"""
QUIET = 0.3  # seconds in which nothing happens


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    domains = setup_file.default_specs()
    policy = watched_policy(domains)
    policy.roles["hub"] = replace(policy.roles["hub"], values_per_request=2_000)
    keys = ("common", "spin", "sspin.A", "sspin.B")
    world = build_world(tmp_path_factory.mktemp("pauses") / "w", domains=domains, policy=policy, keys=keys)
    with Daemon(world, program=("-c", CONTROLLED.format(folder=str(world.folder)))) as daemon:
        yield daemon
        assert daemon.stop() == 0, daemon.log


@pytest.fixture(scope="module")
def piece(daemon: Daemon) -> bytes:
    """As many lines as go to an engine together."""
    in_a = daemon.numbers("resident", "sspin.A", codes(1_000), role="numbering")
    return b"".join(number.encode() + b"\n" for number in itertools.islice(itertools.cycle(in_a), 8_192))


@contextlib.contextmanager
def there(daemon: Daemon, name: str) -> Iterator[None]:
    """A file that the daemon looks for."""
    path = Path(daemon.world.folder, name)
    path.touch()
    try:
        time.sleep(0.05)  # it has seen it
        yield
    finally:
        path.unlink()


def people(daemon: Daemon) -> int:
    return int(Path(daemon.world.folder, "people").read_text())


class Stream:
    """One that has been begun; ``answered``: bytes of its answer so far."""

    def __init__(self, daemon: Daemon, piece: bytes) -> None:
        self._open = contextlib.ExitStack()
        self._chunks = self._open.enter_context(chunked(daemon))
        self._piece = piece
        self.answered = 0
        self.send()
        self.expect(1)

    def send(self) -> None:
        self._chunks.send(self._piece)

    def expect(self, pieces: int) -> None:
        """So many are answered, and no more."""
        wait_for(lambda: self.look() >= pieces)
        assert self.look() == pieces

    def look(self) -> int:
        """How many are answered."""
        data = self._chunks.read_until_quiet(0.02)
        self.answered += data.count(b"\n") - data.count(b"\r\n")
        return self.answered // self._piece.count(b"\n")

    def close(self) -> None:
        self._open.close()


@pytest.fixture
def stream(daemon: Daemon, piece: bytes) -> Iterator[Stream]:
    with contextlib.closing(Stream(daemon, piece)) as stream:
        yield stream


def conversions(daemon: Daemon) -> int:
    return kinds(daemon).count("conversion")


def used(pid: int) -> float:
    """Seconds that a process has had a processor for (Linux, Documentation/scheduler/sched-stats)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[0]) / 1e9


def test_a_stream_gives_engines_nothing_while_somebody_waits(daemon: Daemon, stream: Stream) -> None:
    (engine,) = daemon.engines()
    with there(daemon, "somebody"):
        before = used(engine)
        for _ in range(3):
            stream.send()
        time.sleep(QUIET)
        assert used(engine) - before < 0.005, "each piece is about as much work"
        stream.expect(1)
    stream.expect(4)
    assert used(engine) - before > 0.005


def test_a_stream_records_nothing_while_somebody_waits(daemon: Daemon, stream: Stream) -> None:
    before = conversions(daemon)
    (engine,) = daemon.engines()
    with contextlib.ExitStack() as stack:
        with stopped(engine):
            stream.send()
            time.sleep(QUIET)  # it is the engine's now
            stack.enter_context(there(daemon, "somebody"))
        time.sleep(QUIET)
        assert conversions(daemon) == before
    stream.expect(2)
    assert conversions(daemon) == before + 1


def test_a_stream_answers_nothing_while_somebody_waits(daemon: Daemon, stream: Stream) -> None:
    before = conversions(daemon)
    with contextlib.ExitStack() as stack:
        with there(daemon, "hold"):
            stream.send()
            time.sleep(QUIET)  # its record is on the way to the disk
            stack.enter_context(there(daemon, "somebody"))
        wait_for(lambda: conversions(daemon) == before + 1)
        time.sleep(QUIET)
        stream.expect(1)
    stream.expect(2)


def asking(ask: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    return thread


def test_who_waits_for_a_small_answer_counts_until_it_is_there(daemon: Daemon, piece: bytes) -> None:
    a = piece.split(b"\n")[0].decode()
    asks: dict[str, tuple[int, Callable[[], object]]] = {
        "a number": (1, lambda: daemon.convert("sspin.A", "sspin.B", [a])),
        "a batch": (1, lambda: daemon.convert("sspin.A", "sspin.B", [a] * 1_000)),
        "a history": (1, lambda: history(daemon, "sspin.A", a)),
        "a large request": (0, lambda: daemon.convert("sspin.A", "sspin.B", [a] * 1_025)),
        "a stream": (0, lambda: daemon.stream("sspin.A", "sspin.B", piece)),
    }
    (engine,) = daemon.engines()
    for what, (count, ask) in asks.items():
        with stopped(engine):
            thread = asking(ask)
            time.sleep(QUIET)
            assert people(daemon) == count, what
        thread.join(20)
        wait_for(lambda: people(daemon) == 0)


def test_who_waits_for_the_disk_counts_and_who_was_refused_does_not(daemon: Daemon, piece: bytes) -> None:
    a = piece.split(b"\n")[0].decode()
    with there(daemon, "hold"):
        thread = asking(lambda: daemon.convert("sspin.A", "sspin.B", [a]))
        wait_for(lambda: people(daemon) == 1)
        refused = asking(lambda: daemon.convert("sspin.A", "sspin.A", [a]))
        time.sleep(QUIET)
        assert people(daemon) == 1, "the refusal has a record that waits, and keeps no stream"
    thread.join(20)
    refused.join(20)
    wait_for(lambda: people(daemon) == 0)
    assert daemon.ask("hub", "POST", "/v1/convert", b"{}", JSON).status == 400
    assert people(daemon) == 0
