"""One real engine on a real token: what somebody waits for is answered in the middle of what takes long.

The engine stops itself in a call of its token, so what is asked then has come before it goes on. What is proved is the
order of the answers.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from appliance import configuration
from appliance.engine.envelope import Kind, pack
from appliance.engine.frames import MAX_LINES, MAX_LINES_NOW, Answer, payload_of
from appliance.engine.link import Link
from appliance.engine.singles import Status, Tagged
from appliance.ledger import servicekeys
from appliance.tlog.checkpoint import Checkpoint
from tests.daemonkit import codes, copy_world, wait_for
from tests.enginekit import (
    Question,
    ask,
    conversion,
    convert,
    lines,
    look_up,
    looking_up,
    meddle_with_engines,
    signing,
    with_engine,
)
from tests.world import World


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What it says, the engine's token does."""
    told = tmp_path / "told"
    meddle_with_engines(monkeypatch, told)
    return told


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()[0]


def self_test() -> Question:
    return Question(Kind.SELF_TEST, lambda request: pack(Kind.SELF_TEST, request), lambda f: payload_of(f, Kind.TESTED))


async def in_the_middle(engine: Link, told: Path, long: Question, *short: Question) -> list[Question]:
    """Ask ``short`` when the engine has begun with ``long``; all of them, in the order of the answers."""
    order: list[Question] = []
    for question in (long, *short):
        question.outcome.add_done_callback(lambda _, question=question: order.append(question))  # type: ignore[misc]
    told.write_text("stop", "ascii")
    engine.send(long)
    await asyncio.to_thread(wait_for, lambda: state_of(engine.hello.pid) == "T")
    for question in short:
        engine.send(question)
    os.kill(engine.hello.pid, signal.SIGCONT)
    ended = asyncio.create_task(engine.wait_end())
    every = asyncio.gather(*(question.outcome for question in (long, *short)))
    await asyncio.wait([every, ended], return_when=asyncio.FIRST_COMPLETED)
    assert every.done(), f"the engine ended: {await ended}"
    ended.cancel()
    return order


@pytest.mark.parametrize("many", [1, 5, MAX_LINES_NOW])
def test_a_small_question_in_the_middle_of_a_full_frame(
    rich: World, monkeypatch: pytest.MonkeyPatch, told: Path, many: int
) -> None:
    async def work(engine: Link) -> None:
        in_b = await lines(engine, "resident", "sspin.B", codes(MAX_LINES))
        in_e = await lines(engine, "resident", "sspin.E", codes(many, start=70_000))
        alone = await convert(engine, "sspin.B", "sspin.E", in_b), await convert(engine, "sspin.E", "sspin.B", in_e)
        for small in (in_e, [*in_e[1:], "ABC98765XYZ"]):
            expected = await convert(engine, "sspin.E", "sspin.B", small)
            long = conversion("sspin.B", "sspin.E", in_b)
            short = conversion("sspin.E", "sspin.B", small, now=True)
            assert await in_the_middle(engine, told, long, short) == [short, long]
            assert (long.outcome.result(), short.outcome.result()) == (alone[0], expected)
        assert isinstance(alone[0], Answer) and isinstance(alone[1], Answer)
        assert (alone[0].converted, alone[1].converted) == (MAX_LINES, many)

    with_engine(rich, work, monkeypatch, deadline=20.0)


def test_all_kinds_in_the_middle_each_in_its_order(rich: World, monkeypatch: pytest.MonkeyPatch, told: Path) -> None:
    async def work(engine: Link) -> None:
        in_b = await lines(engine, "resident", "sspin.B", codes(MAX_LINES))
        common = (await lines(engine, "resident", "common", codes(1)))[0]
        alone = await convert(engine, "sspin.B", "sspin.A", in_b), await look_up(engine, "common", common)
        few = await convert(engine, "sspin.B", "sspin.A", in_b[:3])
        long, next_one, last = (
            conversion("sspin.B", "sspin.A", in_b),
            conversion("sspin.B", "sspin.A", in_b),
            self_test(),
        )
        found, small = looking_up("common", common), conversion("sspin.B", "sspin.A", in_b[:3], now=True)
        order = await in_the_middle(engine, told, long, next_one, found, last, small)
        assert order == [found, small, long, next_one, last]
        assert [one.outcome.result() for one in order] == [alone[1], few, alone[0], alone[0], b""]
        assert isinstance(alone[1], Tagged) and alone[1].status is Status.OK

    with_engine(rich, work, monkeypatch, deadline=20.0)


def test_in_the_middle_of_a_self_test(rich: World, monkeypatch: pytest.MonkeyPatch, told: Path) -> None:
    async def work(engine: Link) -> None:
        in_b = await lines(engine, "resident", "sspin.B", codes(9))
        expected = await convert(engine, "sspin.B", "sspin.E", in_b)
        long, short = self_test(), conversion("sspin.B", "sspin.E", in_b, now=True)
        assert await in_the_middle(engine, told, long, short) == [short, long]
        assert short.outcome.result() == expected
        assert await ask(engine, self_test()) == b""

    with_engine(rich, work, monkeypatch, deadline=20.0)


def test_a_token_that_alters_what_it_answers_in_the_middle_ends_both(
    rich: World, monkeypatch: pytest.MonkeyPatch, told: Path
) -> None:
    async def work(engine: Link) -> None:
        in_b = await lines(engine, "resident", "sspin.B", codes(MAX_LINES))
        long, short = conversion("sspin.B", "sspin.E", in_b), conversion("sspin.B", "sspin.E", in_b[:900], now=True)
        told.write_text("stop", "ascii")
        engine.send(long)
        await asyncio.to_thread(wait_for, lambda: state_of(engine.hello.pid) == "T")
        engine.send(short)
        told.write_text("alter", "ascii")
        os.kill(engine.hello.pid, signal.SIGCONT)
        assert "the token altered ciphertext" in await engine.wait_end()
        assert not long.outcome.done() and not short.outcome.done()

    with_engine(rich, work, monkeypatch, deadline=20.0)


def test_while_a_checkpoint_is_written_to_the_disk(
    rich: World, monkeypatch: pytest.MonkeyPatch, told: Path, tmp_path: Path
) -> None:
    world = copy_world(rich, tmp_path / "w")
    text = Checkpoint(configuration.load(world.config).origin, 7, hashlib.sha256(b"7").digest()).text

    async def work(engine: Link) -> None:
        in_b = await lines(engine, "resident", "sspin.B", codes(MAX_LINES_NOW))
        common = (await lines(engine, "resident", "common", codes(1)))[0]
        expected = await convert(engine, "sspin.B", "sspin.E", in_b), await look_up(engine, "common", common)
        told.write_text("hold", "ascii")
        signed, bulk = signing(text), conversion("sspin.B", "sspin.E", in_b)
        engine.send(signed)
        engine.send(bulk)
        for _ in range(3):
            assert await ask(engine, conversion("sspin.B", "sspin.E", in_b, now=True)) == expected[0]
            assert await look_up(engine, "common", common) == expected[1]
        assert not signed.outcome.done() and not bulk.outcome.done(), "the disk has not taken it"
        told.unlink()
        signature = await signed.outcome
        assert isinstance(signature, bytes)
        (key,) = servicekeys.log_keys(world.state()).values()
        Ed25519PublicKey.from_public_bytes(key).verify(signature, text.encode())
        assert await bulk.outcome == expected[0]
        behind = signing(text.replace("\n7\n", "\n6\n"))
        assert await ask(engine, behind) == "checkpoint_refused", "by the thread that writes"

    with_engine(world, work, monkeypatch, deadline=20.0)


def test_no_more_than_can_be_answered_at_once(rich: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(engine: Link) -> None:
        people = codes(MAX_LINES_NOW + 1)
        most = await ask(engine, conversion("resident", "sspin.B", people[1:], now=True))
        assert isinstance(most, Answer) and most.converted == MAX_LINES_NOW
        engine.send(conversion("resident", "sspin.B", people, now=True))
        assert await engine.wait_end() == "frame CONVERT_NOW: 1025 lines; 1 to 1024 are allowed"
        assert engine.failure is not None
        assert (engine.failure.reason, engine.failure.exit_code) == ("defect", 70)

    with_engine(rich, work, monkeypatch)
