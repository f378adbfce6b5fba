"""The supervisor's decisions, with engines that exist on paper: what is restarted, when, and what never."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from yardkit import HEAD, Job, Yard, failure, play, until

from appliance.engine import patience, supervisor
from appliance.engine.envelope import NOW, Kind
from appliance.engine.frames import Failed, Reason
from appliance.engine.link import EngineFailed, Work, defect
from appliance.engine.places import LedgerMoved
from appliance.engine.supervisor import Supervisor


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


def test_a_crash_loop_ends_and_says_what_to_look_at(no_pauses: None) -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await boss.start(HEAD, lambda: None)
        yard.fails = [defect("died of SIGSEGV")] * 100
        yard.engines[0].die()
        await until(lambda: yard.failure)
        await asyncio.sleep(0.1)
        assert yard.starts == 1 + patience.MOST_DEFECTS

    failed = play(1, game).failure
    assert failed is not None
    assert failed.message == "20 engines failed one after another; the last: died of SIGSEGV"
    assert failed.hint == "try the token and its module with the maker's own tool, then start the daemon again"
    assert failed.exit_code == 70


def test_a_token_that_is_gone_is_waited_for_as_long_as_it_takes(no_pauses: None) -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await boss.start(HEAD, lambda: None)
        yard.fails = [failure("token")] * (5 * patience.MOST_DEFECTS)
        yard.engines[0].die("the token is gone", failure("token"))
        await until(lambda: not yard.fails and boss.serving)
        await asyncio.sleep(0.02)
        assert not boss.down

    yard = play(1, game)
    assert yard.failure is None
    assert yard.events.count("token 0 left out: because of token") == yard.events.count("token 0 back") == 1


def test_crashes_between_which_the_token_is_gone_are_no_crash_loop(no_pauses: None) -> None:
    """A module may well crash when the device is pulled from under it."""

    async def game(boss: Supervisor, yard: Yard) -> None:
        await boss.start(HEAD, lambda: None)
        yard.fails = ([defect("died of SIGSEGV")] * (patience.MOST_DEFECTS - 1) + [failure("token")]) * 3
        yard.engines[0].die()
        await until(lambda: not yard.fails and boss.serving)

    assert play(1, game).failure is None


def test_engines_that_greet_and_die_over_their_work_do_not_end_the_daemon(no_pauses: None) -> None:
    """Else whoever may ask could end it, with a question that crashes the module."""

    async def game(boss: Supervisor, yard: Yard) -> None:
        await boss.start(HEAD, lambda: None)
        for _ in range(3 * patience.MOST_DEFECTS):
            await until(lambda: boss.serving)
            yard.engines[-1].die("died of SIGSEGV")
        await until(lambda: boss.serving)

    yard = play(1, game)
    assert yard.failure is None
    assert yard.events.count("token 0 left out: died of SIGSEGV") >= 3 * patience.MOST_DEFECTS - 1


def test_while_a_token_is_gone_one_place_tries_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "pause", lambda failures, longest: 0.0 if failures < 2 else 3_600.0)

    async def game(boss: Supervisor, yard: Yard) -> None:
        await boss.start(HEAD, lambda: None)
        await until(lambda: len(boss.serving) == 4)
        yard.fails = [failure("token")] * 9
        for engine in yard.engines:
            engine.die("the token is gone", failure("token"))
        await until(lambda: boss.down)
        await asyncio.sleep(0.2)
        assert yard.starts == 4 + 1

    play(4, game)


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


def test_while_people_wait_an_engine_has_one_frame_of_what_can_wait() -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await boss.start(HEAD, lambda: None)
        await until(lambda: len(boss.serving) == 2)
        yard.pressed = True
        yard.waiting = cast(list[Work], [*(Job() for _ in range(7)), *(Job(Kind.CONVERT_NOW) for _ in range(7))])
        boss.kick()
        await asyncio.sleep(0.02)
        kinds = [sorted(work.kind.name for work in engine.work) for engine in yard.engines]
        assert kinds == [["CONVERT", "CONVERT_NOW", "CONVERT_NOW"]] * 2
        yard.pressed = False
        boss.kick()
        await asyncio.sleep(0.02)
        assert [engine.load for engine in yard.engines] == [4, 4]

    play(2, game)


def test_what_is_answered_at_once_and_the_rest_are_handed_out_apart() -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await boss.start(HEAD, lambda: None)
        await until(lambda: len(boss.serving) == 2)
        yard.waiting = cast(list[Work], [Job() for _ in range(7)])
        boss.kick()
        await until(lambda: len(yard.waiting) == 3)
        yard.waiting += cast(list[Work], [Job(Kind.CONVERT_NOW if number % 2 else Kind.TAG) for number in range(6)])
        boss.kick()
        await until(lambda: len(yard.waiting) == 3 + 2)
        await asyncio.sleep(0.02)
        for engine in yard.engines:
            assert sum(work.kind is Kind.CONVERT for work in engine.work) == 2, "full of bulk work"
            assert sum(work.kind in NOW for work in engine.work) == 2, "and of the others"
        yard.engines[1].work = [work for work in yard.engines[1].work if work.kind not in NOW]
        boss.kick()
        await until(lambda: len(yard.waiting) == 3)
        assert {work.kind for work in yard.waiting} == {Kind.CONVERT}

    play(2, game)


def test_an_engine_without_the_log_key_gets_all_but_signatures() -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        yard.signer = 1
        await boss.start(HEAD, lambda: None)
        await until(lambda: len(boss.serving) == 2)
        kinds = [Kind.SIGN, Kind.CONVERT, Kind.SIGN, Kind.TAG, Kind.SIGN, Kind.CONVERT_NOW]
        yard.waiting = cast(list[Work], [Job(kind) for kind in kinds])
        boss.kick()
        await until(lambda: [work.kind for work in yard.waiting] == [Kind.SIGN])
        (mute,), (signing,) = yard.on(0), yard.on(1)
        assert {work.kind for work in mute.work} <= {Kind.CONVERT, Kind.TAG, Kind.CONVERT_NOW}
        assert [work.kind for work in signing.work].count(Kind.SIGN) == 2

    play(1, game, tokens=2)


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
        yard.hanging.add(0)
        yard.engines[0].die(failure=failure("token"))
        yard.waiting = [cast(Work, Job())]
        assert not boss.down, "for a moment, it is waited for"
        await until(lambda: boss.down)
        assert yard.refused_all == ["token_unavailable"]

    play(1, game)


def test_when_the_next_engine_cannot_start_nobody_waits_any_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "DOWN_SECONDS", 3_600.0)

    async def game(boss: Supervisor, yard: Yard) -> None:
        await boss.start(HEAD, lambda: None)
        yard.fails = [failure("token")] * 2
        yard.engines[0].die(failure=failure("token"))
        yard.waiting = [cast(Work, Job())]
        assert not boss.down, "for a moment, it is waited for"
        await until(lambda: boss.down)
        assert (yard.starts, yard.refused_all) == (2, ["token_unavailable"])
        await until(lambda: len(yard.engines) == 2)
        await asyncio.sleep(0.02)
        assert not boss.down

    play(1, game)


def test_an_engine_that_is_lost_again_is_waited_for_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only for what is left of the time since the one before was lost."""
    monkeypatch.setattr(supervisor, "DOWN_SECONDS", 0.4)

    async def game(boss: Supervisor, yard: Yard) -> None:
        await boss.start(HEAD, lambda: None)
        yard.engines[0].die()
        await until(lambda: len(yard.engines) == 2)
        await asyncio.sleep(0.3)
        yard.hanging.add(0)
        yard.engines[1].die()
        lost = asyncio.get_running_loop().time()
        await until(lambda: boss.down)
        assert asyncio.get_running_loop().time() - lost >= 0.39

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
