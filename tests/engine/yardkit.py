"""Engines that exist on paper, a yard that starts them, and games that a supervisor plays with them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

from appliance.engine.envelope import NOW, Frame, Kind
from appliance.engine.frames import Failed, Hello, Reason, TokenFact
from appliance.engine.link import EngineFailed, Link, Work
from appliance.engine.places import LeftOut, Places
from appliance.engine.supervisor import Supervisor

HEAD = "1" * 64


class Engine:
    """What the supervisor uses of a Link."""

    def __init__(self, yard: Yard, pid: int, number: int) -> None:
        self._yard = yard
        token = TokenFact(label=f"token {number}", serial="s", manufacturer="m", model="m")
        signs = number == yard.signer
        self.hello = Hello(pid=pid, sequence=1, head=yard.head, signs=signs, token=token, generations=())
        self.number = number
        self.signs = signs
        self.failure: Failed | None = None
        self.started = asyncio.get_running_loop().time()
        self.closing = False
        self.work: list[Work] = []
        self._end: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def takes(self, now: bool, most: int = 2) -> bool:
        return sum((work.kind in NOW) == now for work in self.work) < most and not self.closing

    @property
    def load(self) -> int:
        return sum(work.count for work in self.work)

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
    """Starts engines; ``failing``: what the next starts on a token fail with. It is watcher and source of work, too.

    Only engines on the token ``signer`` sign.
    """

    def __init__(self) -> None:
        self.head = HEAD
        self.signer = 0
        self.engines: list[Engine] = []
        self.failing: dict[int, list[Failed]] = {}
        self.starting = self.most_starting = self.starts = self.most_starting_on_one = 0
        self.starting_on: Counter[int] = Counter()
        self.hanging: set[int] = set()
        self.tried: list[int] = []
        self.waiting: list[Work] = []
        self.pressed = False
        self.events: list[str] = []
        self.put_back_codes: list[str] = []
        self.refused_all: list[str] = []
        self.failure: Failed | None = None
        self.on_lost: Callable[[Link, list[Work]], None] = lambda link, work: None

    @property
    def fails(self) -> list[Failed]:
        return self.failing.setdefault(0, [])

    @fails.setter
    def fails(self, failures: list[Failed]) -> None:
        self.failing[0] = failures

    async def launch(
        self, token: int, on_free: Callable[[], None], on_lost: Callable[[Link, list[Work]], None]
    ) -> Link:
        self.on_lost = on_lost
        self.starts += 1
        self.tried.append(token)
        self.starting += 1
        self.most_starting = max(self.most_starting, self.starting)
        self.starting_on[token] += 1
        self.most_starting_on_one = max(self.most_starting_on_one, self.starting_on[token])
        await asyncio.sleep(3_600 if token in self.hanging else 0.01)
        self.starting -= 1
        self.starting_on[token] -= 1
        if failing := self.failing.get(token):
            raise EngineFailed(failing.pop(0))
        self.engines.append(Engine(self, 100 + len(self.engines), token))
        return cast(Link, self.engines[-1])

    def has(self, now: bool) -> bool:
        return any((work.kind in NOW) == now for work in self.waiting)

    def take(self, now: bool, signs: bool) -> Work | None:
        for work in self.waiting:
            if (work.kind in NOW) == now and (signs or work.kind is not Kind.SIGN):
                self.waiting.remove(work)
                return work
        return None

    def on(self, token: int) -> list[Engine]:
        return [engine for engine in self.engines if engine.number == token and not engine.closing]

    def left_out(self, label: str, why: LeftOut) -> None:
        self.events.append(f"{label} left out{' for good' if why.for_good else ''}: {why.failure.message}")

    def back(self, label: str) -> None:
        self.events.append(f"{label} back")

    def put_back(self, work: Sequence[Work], code: str) -> None:
        self.put_back_codes.append(code)
        self.waiting[:0] = work

    def refuse_all(self, code: str) -> None:
        self.refused_all.append(code)
        self.waiting.clear()

    def engine_lost(self, link: Link, why: str) -> None:
        self.events.append(f"lost {link.hello.pid}: {why}")

    def engine_regained(self, pid: int) -> None:
        self.events.append(f"regained {pid}")

    def ledger_moved(self) -> None:
        self.events.append("ledger moved")

    def fatal(self, failure: Failed) -> None:
        self.failure = failure


class Job:
    """Work that notes whether it was refused."""

    count = 1

    def __init__(self, kind: Kind = Kind.CONVERT) -> None:
        self.kind = kind
        self.code: str | None = None

    def pack(self, request: int) -> bytes:
        raise AssertionError("no engine here reads")

    def settle(self, frame: Frame) -> None:
        raise AssertionError("no engine here answers")

    def refused(self, code: str) -> None:
        self.code = code


def failure(reason: Reason) -> Failed:
    return Failed(reason=reason, message=f"because of {reason}", hint=None, exit_code=5)


def play(processes: int, game: Callable[[Supervisor, Yard], Coroutine[Any, Any, None]], tokens: int = 1) -> Yard:
    yard = Yard()

    async def main() -> None:
        seats = [Places(number, f"token {number}", processes) for number in range(tokens)]
        boss = Supervisor(seats, yard.launch, yard, yard)
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
