"""A real engine process for tests, and every kind of question one can ask it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from appliance.engine import frames, singles
from appliance.engine.envelope import Frame, FrameReader, Kind
from appliance.engine.frames import Answer, Failed
from appliance.engine.link import EngineFailed, Link
from appliance.engine.singles import Tagged
from tests.world import World

T = TypeVar("T")


class Question:
    """One frame of work; ``outcome`` is what the engine answered, or the code of its refusal."""

    count = 0

    def __init__(self, kind: Kind, pack: Callable[[int], bytes], read: Callable[[Frame], object]) -> None:
        self.kind = kind
        self.pack = pack
        self._read = read
        self.outcome: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    def settle(self, frame: Frame) -> None:
        self.outcome.set_result(self._read(frame))

    def refused(self, code: str) -> None:
        self.outcome.set_result(code)


def conversion(source: str, target: str, numbers: list[str], order: bytes = b"", *, now: bool = False) -> Question:
    text, count = "".join(number + "\n" for number in numbers).encode(), len(numbers)
    question = Question(
        Kind.CONVERT_NOW if now else Kind.CONVERT,
        lambda request: frames.pack_convert(request, source, target, count, text, order, now=now),
        lambda frame: frames.read_answer(frame, count),
    )
    question.count = count
    return question


async def ask(engine: Link, question: Question) -> object:
    engine.send(question)
    return await question.outcome


async def convert(engine: Link, source: str, target: str, numbers: list[str], order: bytes = b"") -> Answer | str:
    answer = await ask(engine, conversion(source, target, numbers, order))
    assert isinstance(answer, Answer | str)
    return answer


async def lines(engine: Link, source: str, target: str, numbers: list[str], order: bytes = b"") -> list[str]:
    answer = await convert(engine, source, target, numbers, order)
    assert isinstance(answer, Answer), answer
    return answer.lines.decode().splitlines()


def looking_up(source: str, number: str) -> Question:
    line = number.encode() + b"\n"
    return Question(Kind.TAG, lambda request: singles.pack_tag(request, source, line), singles.read_tagged)


async def look_up(engine: Link, source: str, number: str) -> Tagged | str:
    tagged = await ask(engine, looking_up(source, number))
    assert isinstance(tagged, Tagged | str)
    return tagged


def signing(text: str) -> Question:
    return Question(Kind.SIGN, lambda request: singles.pack_sign(request, text), singles.read_signed)


async def sign(engine: Link, text: str) -> bytes | str:
    signature = await ask(engine, signing(text))
    assert isinstance(signature, bytes | str)
    return signature


async def start(world: World, deadline: float = 5.0) -> Link:
    return await Link.start(world.config, deadline, lambda: None, lambda link, work: None)


def with_engine(
    world: World, work: Callable[[Link], Awaitable[T]], monkeypatch: pytest.MonkeyPatch, deadline: float = 5.0
) -> T:
    monkeypatch.setenv("SOFTHSM2_CONF", world.env["SOFTHSM2_CONF"])

    async def main() -> T:
        engine = await start(world, deadline)
        try:
            async with asyncio.timeout(30):
                return await work(engine)
        finally:
            engine.kill("the test is over")
            await engine.wait_end()

    return asyncio.run(main())


def meddle_with_engines(monkeypatch: pytest.MonkeyPatch, told: Path) -> None:
    """Engines started from now on do what a word in the file ``told`` says: see `tests.engine.alteringkit`."""
    spawn = asyncio.create_subprocess_exec

    async def spawned(*command: Any, **options: Any) -> Any:
        at = command.index("appliance.engine")
        return await spawn(*command[:at], "tests.engine.alteringkit", str(told), *command[at + 1 :], **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", spawned)


def refused_start(world: World, monkeypatch: pytest.MonkeyPatch) -> Failed:
    monkeypatch.setenv("SOFTHSM2_CONF", world.env["SOFTHSM2_CONF"])

    async def main() -> Failed:
        with pytest.raises(EngineFailed) as caught:
            await start(world)
        return caught.value.failure

    return asyncio.run(main())


def one(data: bytes) -> Frame:
    """The frame in those bytes, and nothing else."""
    (frame,) = FrameReader().feed(data)
    return frame
