"""Several tokens, with engines that exist on paper: one that drops is left out and comes back; the others serve on."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yardkit import HEAD, Engine, Job, Yard, failure, play, until

from appliance.engine import patience, supervisor
from appliance.engine.envelope import Kind
from appliance.engine.frames import Reason
from appliance.engine.link import EngineFailed, Link, Work, defect
from appliance.engine.supervisor import Supervisor


async def started(boss: Supervisor, engines: int) -> None:
    await boss.start(HEAD, lambda: None)
    await until(lambda: len(boss.serving) == engines)


def serving(boss: Supervisor) -> list[int]:
    return [len(crew.links) for crew in boss.crews]


def test_every_token_gets_its_engines() -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await boss.start(HEAD, lambda: None)
        assert yard.tried == [0], "the appliance's own token first, alone"
        await until(lambda: serving(boss) == [2, 2, 2])

    yard = play(2, game, tokens=3)
    assert sorted(yard.tried) == [0, 0, 1, 1, 2, 2]
    assert yard.most_starting <= 3
    assert yard.events == []


def test_engines_of_one_token_start_one_at_a_time_whatever_others_do() -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await started(boss, 8)

    assert play(4, game, tokens=2).most_starting_on_one == 1


@pytest.mark.parametrize("reason", ["pin", "ledger", "configuration", "keys", "token", "defect"])
def test_without_the_first_token_nothing_starts_though_another_would_serve(reason: Reason) -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        yard.fails = [failure(reason)]
        with pytest.raises(EngineFailed, match=f"because of {reason}"):
            await boss.start(HEAD, lambda: pytest.fail("not in force"))

    yard = play(2, game, tokens=2)
    assert yard.tried == [0]
    assert yard.events == []


@pytest.mark.parametrize("reason", ["pin", "ledger", "configuration", "keys"])
@pytest.mark.parametrize("dropping", [0, 1])
def test_what_repeating_cannot_mend_leaves_the_token_out_for_good(reason: Reason, dropping: int) -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await started(boss, 4)
        yard.failing[dropping] = [failure(reason)] * 9
        for engine in yard.on(dropping):
            engine.die()
        await until(lambda: [event for event in yard.events if "left out" in event])
        await asyncio.sleep(0.6)
        assert len(boss.serving) == 2
        assert not boss.down
        left_out = boss.crews[dropping].left_out
        assert left_out is not None and left_out.for_good and left_out.failure == failure(reason)

    yard = play(2, game, tokens=2)
    assert yard.failure is None, "the other token serves"
    assert yard.tried.count(dropping) == 3, "one engine tried, for both places, and none again"
    assert yard.events[2:] == [f"token {dropping} left out for good: because of {reason}"]


def test_when_every_token_is_out_for_good_the_daemon_is_told_once() -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await started(boss, 2)
        yard.failing = {0: [failure("pin")], 1: [failure("keys")]}
        yard.on(0)[0].die()
        await until(lambda: len(yard.events) == 2)
        assert yard.failure is None
        yard.on(1)[0].die()
        await until(lambda: yard.failure)

    yard = play(1, game, tokens=2)
    assert yard.failure == failure("keys")
    assert len(yard.tried) == 4


def test_a_token_that_is_gone_is_tried_on_and_on_while_another_serves(no_pauses: None) -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await started(boss, 2)
        yard.failing[1] = [failure("token")] * (3 * patience.MOST_DEFECTS)
        yard.on(1)[0].die("the token is gone", failure("token"))
        await until(lambda: not yard.failing[1])
        await until(lambda: serving(boss) == [1, 1])
        await asyncio.sleep(0.02)
        assert boss.crews[1].left_out is None

    yard = play(1, game, tokens=2)
    assert yard.failure is None
    assert yard.events == [
        "lost 101: the token is gone",
        "token 1 left out: because of token",
        "token 1 back",
        "regained 102",
    ]


def test_when_engines_of_no_token_start_any_more_the_daemon_gives_up_as_with_one(no_pauses: None) -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await started(boss, 2)
        yard.failing = {0: [defect("died of SIGSEGV")] * 500, 1: [defect("died of SIGSEGV")] * 500}
        yard.on(0)[0].die()
        yard.on(1)[0].die()
        await until(lambda: yard.failure)

    failed = play(1, game, tokens=2).failure
    assert failed is not None
    assert "engines failed one after another; the last: died of SIGSEGV" in failed.message


def test_a_token_that_is_gone_may_come_back_so_a_crash_loop_on_the_other_is_not_the_end(no_pauses: None) -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await started(boss, 2)
        yard.failing = {0: [failure("token")] * 500, 1: [defect("died of SIGSEGV")] * 500}
        yard.on(0)[0].die()
        yard.on(1)[0].die()
        await until(lambda: len(yard.failing[1]) < 500 - 2 * patience.MOST_DEFECTS)
        assert yard.failure is None and boss.down
        yard.failing[0].clear()
        await until(lambda: serving(boss)[0] == 1)

    assert play(1, game, tokens=2).failure is None


def test_nobody_is_refused_because_of_one_token_while_an_engine_of_the_other_is_being_started(
    no_pauses: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "DOWN_SECONDS", 3_600.0)

    async def game(boss: Supervisor, yard: Yard) -> None:
        await started(boss, 2)
        yard.failing[0] = [failure("token")] * 10_000
        yard.hanging.add(1)
        yard.on(0)[0].die()
        yard.on(1)[0].die()
        await until(lambda: yard.tried.count(0) > 5)
        assert not boss.down and yard.refused_all == []

    play(1, game, tokens=2)


def test_a_token_left_out_for_good_while_the_other_is_gone_waits_for_the_other() -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await started(boss, 2)
        yard.failing = {0: [failure("pin")], 1: [failure("token")]}
        yard.on(0)[0].die()
        yard.on(1)[0].die()
        await until(lambda: serving(boss) == [0, 1])
        assert yard.failure is None

    play(1, game, tokens=2)


def test_an_engine_that_crashes_again_and_again_leaves_its_token_out_between_the_starts() -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await started(boss, 2)
        yard.on(1)[0].die()
        await until(lambda: len(yard.events) == 2)
        assert yard.events == ["lost 101: died of SIGKILL", "regained 102"], "once is no reason"
        yard.events.clear()
        yard.on(1)[0].die("died of SIGSEGV")
        await until(lambda: len(yard.events) == 4)

    yard = play(1, game, tokens=2)
    assert yard.events == [
        "lost 102: died of SIGSEGV",
        "token 1 left out: died of SIGSEGV",
        "token 1 back",
        "regained 103",
    ]


def test_a_token_of_which_one_engine_serves_is_not_left_out() -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await started(boss, 4)
        yard.failing[1] = [failure("token")] * 2
        yard.on(1)[0].die(failure=failure("token"))
        await until(lambda: len(boss.serving) == 4)
        assert not yard.failing[1]

    assert not [event for event in play(2, game, tokens=2).events if event.startswith("token")]


def test_a_token_that_has_come_back_has_hope_again(no_pauses: None) -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await started(boss, 2)
        yard.failing[1] = [defect("died of SIGSEGV")] * patience.MOST_DEFECTS
        yard.on(1)[0].die()
        await until(lambda: boss.crews[1].hopeless)
        await until(lambda: serving(boss) == [1, 1])
        yard.failing[0] = [failure("pin")]
        yard.on(0)[0].die()
        await until(lambda: (out := boss.crews[0].left_out) and out.for_good)
        await asyncio.sleep(0.02)
        assert yard.failure is None
        assert serving(boss) == [0, 1]

    play(1, game, tokens=2)


def test_a_crash_loop_that_turns_out_to_be_a_token_that_is_gone_has_hope_again(no_pauses: None) -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await started(boss, 2)
        yard.failing[1] = [defect("died of SIGSEGV")] * patience.MOST_DEFECTS + [failure("token")] * 10_000
        yard.on(1)[0].die()
        await until(lambda: boss.crews[1].hopeless)
        await until(lambda: boss.crews[1].hopeless is None)
        yard.failing[0] = [failure("pin")]
        yard.on(0)[0].die()
        await until(lambda: (out := boss.crews[0].left_out) and out.for_good)
        assert yard.failure is None
        yard.failing[1].clear()
        await until(lambda: serving(boss) == [0, 1])

    play(1, game, tokens=2)


def test_work_of_a_dropped_token_is_done_by_another() -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await started(boss, 2)
        jobs = [Job() for _ in range(4)]
        yard.waiting = cast(list[Work], jobs)
        boss.kick()
        await until(lambda: not yard.waiting)
        (first,), (second,) = yard.on(0), yard.on(1)
        orphans = list(second.work)
        assert len(orphans) == 2
        yard.failing[1] = [failure("token")] * 9
        second.die("the token is gone", failure("token"))
        assert yard.put_back_codes == ["token_unavailable"]
        first.work.clear()
        boss.kick()
        await until(lambda: first.work == orphans)

    play(1, game, tokens=2)


# --- signatures ---------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([Kind.CONVERT, Kind.SIGN, Kind.TAG]), max_size=12), st.integers(0, 2))
def test_signatures_go_to_engines_that_sign_and_everything_goes_somewhere(kinds: list[Kind], signer: int) -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        yard.signer = signer
        await boss.start(HEAD, lambda: None)
        await until(lambda: len(boss.serving) == 3)
        jobs = [Job(kind) for kind in kinds]
        yard.waiting = cast(list[Work], list(jobs))
        done: list[Work] = []
        boss.kick()
        await asyncio.sleep(0)
        for _ in range(4 * len(kinds)):
            await asyncio.sleep(0)
            for engine in yard.engines:
                assert engine.number == signer or not any(work.kind is Kind.SIGN for work in engine.work)
                done += engine.work
                engine.work.clear()
            boss.kick()
        assert sorted(id(work) for work in done) == sorted(id(job) for job in jobs)
        assert not any(job.code for job in jobs)

    play(1, game, tokens=3)


def test_without_a_signing_engine_signatures_are_refused_after_a_while_and_numbers_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "DOWN_SECONDS", 0.1)

    async def game(boss: Supervisor, yard: Yard) -> None:
        await started(boss, 2)
        yard.failing[0] = [failure("token")] * 2
        yard.on(0)[0].die(failure=failure("token"))
        signing, number = Job(Kind.SIGN), Job()
        yard.waiting = cast(list[Work], [signing, number])
        boss.kick()
        await until(lambda: yard.on(1)[0].work == [number])
        assert signing.code is None, "for a moment, a signing engine is waited for"
        await until(lambda: signing.code)
        assert signing.code == "token_unavailable"
        assert boss.mute and not boss.down and yard.refused_all == []
        await until(lambda: serving(boss) == [1, 1])
        await asyncio.sleep(0.02)
        assert not boss.mute
        later = Job(Kind.SIGN)
        yard.waiting.append(cast(Work, later))
        boss.kick()
        await until(lambda: later in yard.on(0)[0].work)

    play(1, game, tokens=2)


def test_work_goes_where_the_fewest_lines_are() -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await started(boss, 2)
        large = Job()
        large.count = 8_192
        yard.waiting = cast(list[Work], [large])
        boss.kick()
        await until(lambda: not yard.waiting)
        (busy,) = (engine for engine in yard.engines if engine.work)
        (idle,) = (engine for engine in yard.engines if not engine.work)
        yard.waiting = cast(list[Work], [Job(), Job()])
        boss.kick()
        await until(lambda: not yard.waiting)
        assert (len(busy.work), len(idle.work)) == (1, 2)

    play(1, game, tokens=2)


# --- reloads ------------------------------------------------------------------------------------------


def test_a_reload_takes_effect_on_any_token_that_serves() -> None:
    """An emergency stop must not wait for a token that is gone."""

    async def game(boss: Supervisor, yard: Yard) -> None:
        await started(boss, 2)
        yard.failing[0] = [failure("token")] * 99
        yard.on(0)[0].die(failure=failure("token"))
        await until(lambda: boss.crews[0].left_out)
        old = yard.on(1)[0]
        yard.head = "2" * 64
        await boss.start("2" * 64, lambda: None)
        assert [link.hello.head for link in boss.serving] == ["2" * 64]
        await until(lambda: old.closing)
        assert boss.crews[0].left_out is not None, "it is still left out"
        yard.failing[0].clear()
        await until(lambda: serving(boss) == [1, 1])

    yard = play(1, game, tokens=2)
    assert yard.events == ["lost 100: died of SIGKILL", "token 0 left out: because of token", "token 0 back"]


def test_a_reload_does_not_wait_for_a_token_that_hangs() -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await started(boss, 2)
        yard.hanging.add(0)
        yard.on(0)[0].die()
        await until(lambda: yard.tried.count(0) == 2)
        yard.head = "2" * 64
        async with asyncio.timeout(5):
            await boss.start("2" * 64, lambda: None)
        assert serving(boss) == [0, 1]

    play(1, game, tokens=2)


def test_a_reload_and_a_restart_do_not_try_one_token_at_the_same_time() -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await started(boss, 1)
        yard.on(0)[0].die()
        await until(lambda: yard.starting_on[0])
        yard.head = "2" * 64
        await boss.start("2" * 64, lambda: None)

    assert play(1, game).most_starting_on_one == 1


def test_a_token_whose_pin_is_wrong_at_a_reload_is_tried_once_in_it() -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await started(boss, 4)
        yard.failing[0] = [failure("pin")]
        yard.head = "2" * 64
        await boss.start("2" * 64, lambda: None)
        await until(lambda: serving(boss) == [0, 2])
        await asyncio.sleep(0.4)
        assert serving(boss) == [0, 2]

    yard = play(2, game, tokens=2)
    assert yard.tried.count(0) == 3
    assert yard.events == ["token 0 left out for good: because of pin"]


def test_a_ledger_that_is_refused_is_refused_for_all_tokens() -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await started(boss, 2)
        yard.fails = [failure("ledger")]
        with pytest.raises(EngineFailed, match="because of ledger"):
            await boss.start("2" * 64, lambda: pytest.fail("not in force"))
        assert len(boss.serving) == 2

    yard = play(1, game, tokens=2)
    assert yard.tried.count(1) == 1


@pytest.mark.parametrize("newer", [False, True])
def test_at_a_reload_a_token_that_was_left_out_for_good_gets_one_more_try(newer: bool) -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        async def reload(head: str) -> None:
            if newer:
                yard.head = head
                await boss.start(head, lambda: None)
            else:
                boss.try_again()

        def tried_out() -> bool:
            out = boss.crews[1].left_out
            return out is not None and out.for_good and not yard.failing[1]

        await started(boss, 4)
        yard.failing[1] = [failure("pin")]
        for engine in yard.on(1):
            engine.die()
        await until(tried_out)
        yard.failing[1] = [failure("pin")]
        await reload("2" * 64)
        await until(tried_out)
        await reload("3" * 64)
        await until(lambda: serving(boss) == [2, 2])
        assert boss.crews[1].left_out is None

    yard = play(2, game, tokens=2)
    assert yard.failure is None
    assert [event for event in yard.events if event.startswith("token")] == [
        "token 1 left out for good: because of pin",
        "token 1 left out for good: because of pin",
        "token 1 back",
    ]


def test_a_place_that_serves_is_kept_when_its_token_is_tried_again() -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await started(boss, 4)
        yard.failing[1] = [failure("pin")]
        kept, lost = yard.on(1)
        lost.die()
        await until(lambda: boss.crews[1].left_out)
        assert boss.crews[1].links == [cast(Link, kept)]
        boss.try_again()
        await until(lambda: serving(boss) == [2, 2])
        await asyncio.sleep(0.05)
        assert serving(boss) == [2, 2] and cast(Link, kept) in boss.crews[1].links

    play(2, game, tokens=2)


def test_what_the_last_engine_said_is_why() -> None:
    async def game(boss: Supervisor, yard: Yard) -> None:
        await started(boss, 2)
        yard.failing[1] = [defect("did not serve within 30 s")] * 2
        yard.on(1)[0].die()
        await until(lambda: boss.crews[1].left_out)
        out = boss.crews[1].left_out
        assert out is not None and out.failure.message == "did not serve within 30 s" and not out.for_good

    play(1, game, tokens=2)


def test_a_stop_while_a_token_is_tried_again_leaves_no_engine() -> None:
    seen: list[Engine] = []

    async def game(boss: Supervisor, yard: Yard) -> None:
        await started(boss, 2)
        yard.failing[1] = [failure("token")] * 99
        yard.on(1)[0].die()
        await until(lambda: boss.crews[1].left_out)
        seen.extend(yard.engines)

    yard = play(1, game, tokens=2)
    assert yard.engines == seen and all(engine.closing for engine in seen)
