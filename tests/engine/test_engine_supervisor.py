"""The supervisor's decisions, with engines that exist on paper: what is restarted, when, and what never."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from yardkit import HEAD, Job, Yard, failure, play, until

from appliance.engine import places, supervisor
from appliance.engine.frames import Failed, Reason
from appliance.engine.link import EngineFailed, Work, defect
from appliance.engine.places import LedgerMoved, pause
from appliance.engine.supervisor import Supervisor


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
        await until(lambda: len(yard.events) == 4)

    yard = play(1, game)
    assert yard.events == [
        "lost 100: the token is gone",
        "token 0 left out: because of token",
        "token 0 back",
        "regained 101",
    ]
    assert yard.failure is None


def test_a_crash_loop_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "pause", lambda failures: 0.0)

    async def game(boss: Supervisor, yard: Yard) -> None:
        await boss.start(HEAD, lambda: None)
        yard.fails = [defect("died of SIGSEGV")] * 100
        yard.engines[0].die()
        await until(lambda: yard.failure)
        await asyncio.sleep(0.1)
        assert yard.starts == 1 + places.MOST_FAILURES

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
