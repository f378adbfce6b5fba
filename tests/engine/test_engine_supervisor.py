"""The supervisor's decisions, with engines that exist on paper: what is restarted, when, and what never."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

import pytest

from appliance.engine import supervisor
from appliance.engine.envelope import Frame, Kind
from appliance.engine.frames import Failed, Hello, Reason, TokenFact
from appliance.engine.link import EngineFailed, Link, Work, defect
from appliance.engine.supervisor import LedgerMoved, Supervisor, pause

HEAD = "1" * 64


class Engine:
    """What the supervisor uses of a Link."""

    def __init__(self, yard: Yard, pid: int) -> None:
        self._yard = yard
        token = TokenFact(label="t", serial="s", manufacturer="m", model="m")
        self.hello = Hello(pid=pid, sequence=1, head=yard.head, token=token, generations=())
        self.failure: Failed | None = None
        self.started = asyncio.get_running_loop().time()
        self.closing = False
        self.work: list[Work] = []
        self._end: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def free(self) -> bool:
        return len(self.work) < 2 and not self.closing

    @property
    def load(self) -> int:
        return len(self.work)

    def send(self, work: Work) -> None:
        self.work.append(work)

    def die(self, why: str = "died of SIGKILL", failure: Failed | None = None) -> None:
        self.failure, self.closing = failure, True
        orphans, self.work = self.work, []
        self._yard.on_lost(cast(Link, self), orphans)
        self._end.set_result(why)

    def close(self) -> None:
        self.closing = True
        if not self.work and not self._end.done():
            self._end.set_result("ended")

    def finish(self) -> None:
        self.work.clear()
        if self.closing:
            self.close()

    def kill(self, why: str) -> None:
        if not self._end.done():
            self._end.set_result(why)

    async def wait_end(self) -> str:
        return await asyncio.shield(self._end)


class Yard:
    """Starts engines; ``fails`` are what the next starts fail with. It is watcher and source of work, too."""

    def __init__(self) -> None:
        self.head = HEAD
        self.engines: list[Engine] = []
        self.fails: list[Failed] = []
        self.starting = self.most_starting = self.starts = 0
        self.waiting: list[Work] = []
        self.events: list[str] = []
        self.put_back_codes: list[str] = []
        self.refused_all: list[str] = []
        self.failure: Failed | None = None
        self.on_lost: Callable[[Link, list[Work]], None] = lambda link, work: None

    async def launch(self, on_free: Callable[[], None], on_lost: Callable[[Link, list[Work]], None]) -> Link:
        self.on_lost = on_lost
        self.starts += 1
        self.starting += 1
        self.most_starting = max(self.most_starting, self.starting)
        await asyncio.sleep(0.01)
        self.starting -= 1
        if self.fails:
            raise EngineFailed(self.fails.pop(0))
        self.engines.append(Engine(self, 100 + len(self.engines)))
        return cast(Link, self.engines[-1])

    def take(self) -> Work | None:
        return self.waiting.pop(0) if self.waiting else None

    def put_back(self, work: Sequence[Work], code: str) -> None:
        self.put_back_codes.append(code)
        self.waiting[:0] = work

    def refuse_all(self, code: str) -> None:
        self.refused_all.append(code)
        self.waiting.clear()

    def engine_lost(self, pid: int, why: str) -> None:
        self.events.append(f"lost {pid}: {why}")

    def engine_regained(self, pid: int) -> None:
        self.events.append(f"regained {pid}")

    def ledger_moved(self) -> None:
        self.events.append("ledger moved")

    def fatal(self, failure: Failed) -> None:
        self.failure = failure


class Job:
    """Work that notes what became of it."""

    kind = Kind.CONVERT
    count = 1

    def pack(self, request: int) -> bytes:
        raise AssertionError("no engine here reads")

    def settle(self, frame: Frame) -> None:
        raise AssertionError("no engine here answers")

    def refused(self, code: str) -> None:
        raise AssertionError(code)


def failure(reason: Reason) -> Failed:
    return Failed(reason=reason, message=f"because of {reason}", hint=None, exit_code=5)


def play(processes: int, game: Callable[[Supervisor, Yard], Coroutine[Any, Any, None]]) -> Yard:
    yard = Yard()

    async def main() -> None:
        boss = Supervisor(processes, yard.launch, yard, yard)
        try:
            async with asyncio.timeout(20):
                await game(boss, yard)
        finally:
            for engine in yard.engines:
                engine.finish()
            await boss.close(1)

    asyncio.run(main())
    return yard


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def test_pauses_double_after_one_immediate_restart() -> None:
    assert [pause(failures) for failures in range(10)] == [0, 0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]


def test_engines_start_one_at_a_time() -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await boss.start(HEAD, lambda: None)
        assert yard.starts == 1, "the first one alone tries the PIN"
        await until(lambda: len(boss.serving) == 4)

    yard = play(4, game)
    assert (yard.starts, yard.most_starting) == (4, 1)
    assert yard.events == []


@pytest.mark.parametrize("reason", ["pin", "ledger", "configuration", "keys", "token", "defect"])
def test_a_first_start_that_fails_is_not_repeated(reason: Reason) -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        yard.fails = [failure(reason)]
        with pytest.raises(EngineFailed, match=f"because of {reason}"):
            await boss.start(HEAD, lambda: pytest.fail("not in force"))

    assert play(3, game).starts == 1


@pytest.mark.parametrize("reason", ["pin", "ledger", "configuration", "keys"])
def test_a_restart_that_repeating_cannot_mend_stops_the_daemon(reason: Reason) -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await boss.start(HEAD, lambda: None)
        await until(lambda: len(boss.serving) == 3)
        yard.fails = [failure(reason)] * 9
        for engine in yard.engines:
            engine.die()
        await until(lambda: yard.failure)
        await asyncio.sleep(0.4)

    yard = play(3, game)
    assert yard.failure == failure(reason)
    assert yard.starts == 4, "one engine tried, for all of them, and none again"


def test_a_lost_token_is_tried_again_with_pauses() -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await boss.start(HEAD, lambda: None)
        yard.fails = [failure("token"), failure("token")]
        begin = asyncio.get_running_loop().time()
        yard.engines[0].die("the token is gone", failure("token"))
        await until(lambda: len(yard.engines) == 2)
        assert asyncio.get_running_loop().time() - begin >= 0.75
        await until(lambda: len(yard.events) == 2)

    yard = play(1, game)
    assert yard.events == ["lost 100: the token is gone", "regained 101"]
    assert yard.failure is None


def test_a_crash_loop_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "pause", lambda failures: 0.0)

    async def game(boss: Supervisor, yard: Yard) -> None:
        await boss.start(HEAD, lambda: None)
        yard.fails = [defect("died of SIGSEGV")] * 100
        yard.engines[0].die()
        await until(lambda: yard.failure)
        await asyncio.sleep(0.1)
        assert yard.starts == 1 + supervisor.MOST_FAILURES

    failed = play(1, game).failure
    assert failed is not None
    assert failed.message == "20 engines failed one after another; the last: died of SIGSEGV"
    assert failed.exit_code == 70


def test_work_goes_to_the_least_loaded_engine_two_frames_at_most() -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await boss.start(HEAD, lambda: None)
        await until(lambda: len(boss.serving) == 2)
        yard.waiting = cast(list[Work], [Job() for _ in range(7)])
        boss.kick()
        await asyncio.sleep(0.02)
        assert [engine.load for engine in yard.engines] == [2, 2]
        assert len(yard.waiting) == 3
        yard.engines[0].work.pop()
        boss.kick()
        await asyncio.sleep(0.02)
        assert len(yard.waiting) == 2

    play(2, game)


@pytest.mark.parametrize(("why", "code"), [(None, "engine_lost"), (failure("token"), "token_unavailable")])
def test_work_of_a_dead_engine_goes_back_at_once(why: Failed | None, code: str) -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await boss.start(HEAD, lambda: None)
        job = cast(Work, Job())
        yard.waiting = [job]
        boss.kick()
        await until(lambda: yard.engines[0].work)
        yard.engines[0].die(failure=why)
        assert yard.put_back_codes == [code]
        assert yard.waiting == [job]
        await until(lambda: len(yard.engines) == 2 and yard.engines[1].work == [job])

    play(1, game)


def test_when_no_engine_comes_back_everything_waiting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "DOWN_SECONDS", 0.1)

    async def game(boss: Supervisor, yard: Yard) -> None:
        await boss.start(HEAD, lambda: None)
        yard.fails = [failure("token")] * 2
        yard.engines[0].die(failure=failure("token"))
        yard.waiting = [cast(Work, Job())]
        assert not boss.down, "for a moment, it is waited for"
        await until(lambda: boss.down)
        assert yard.refused_all == ["token_unavailable"]
        await until(lambda: len(yard.engines) == 2)
        await asyncio.sleep(0.02)
        assert not boss.down

    play(1, game)


def test_a_reload_serves_on_without_a_gap() -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await boss.start(HEAD, lambda: None)
        old = yard.engines[0]
        old.send(cast(Work, Job()))
        yard.head = "2" * 64
        moments: list[int] = []
        await boss.start("2" * 64, lambda: moments.append(len(yard.engines)))
        assert moments == [2], "the new engine was there before the switch"
        assert [link.hello.head for link in boss.serving] == ["2" * 64]
        await asyncio.sleep(0.02)
        assert old.closing and old.work, "it finishes what it has"
        old.finish()
        await asyncio.sleep(0.02)

    assert play(1, game).events == []


def test_a_refused_reload_leaves_the_old_engines_at_work() -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await boss.start(HEAD, lambda: None)
        yard.fails = [failure("ledger")]
        with pytest.raises(EngineFailed):
            await boss.start("2" * 64, lambda: pytest.fail("not in force"))
        assert [link.hello.pid for link in boss.serving] == [100]
        assert yard.failure is None

    play(1, game)


def test_an_engine_with_another_ledger_never_serves() -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        yard.head = "2" * 64
        with pytest.raises(LedgerMoved):
            await boss.start(HEAD, lambda: pytest.fail("not in force"))
        assert yard.engines[0].closing
        yard.head = HEAD
        await boss.start(HEAD, lambda: None)
        yard.head = "2" * 64
        yard.engines[1].die()
        await until(lambda: "ledger moved" in yard.events)
        assert boss.serving == []

    play(1, game)
