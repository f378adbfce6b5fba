"""What the daemon makes of an engine's answers: each of its two kinds of frames in its own order, and in time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.engine import frames
from appliance.engine import link as link_module
from appliance.engine.envelope import NOW, Frame, FrameReader, Kind, pack
from appliance.engine.frames import Answer, Hello, TokenFact
from appliance.engine.link import WINDOW, Link, Work
from tests.enginekit import Question, conversion, looking_up, signing

HELLO = Hello(
    pid=7,
    sequence=1,
    head="1" * 64,
    signs=True,
    token=TokenFact(label="t", serial="s", manufacturer="m", model="m"),
    generations=(),
)
LONG = 60.0  # seconds: a deadline that nothing here comes to


class Far:
    """The engine's end: what the daemon asked, and any answer to it."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._reader = FrameReader()
        self.asked: list[Frame] = []

    def answer(self, request: int, kind: Kind = Kind.ANSWER) -> None:
        """The right one to `bulk` and `small`; for another kind an empty one."""
        whole = frames.pack_answer(request, Answer(1, 0, 0, b"E\n", bytes(16)))
        self._end.sendall(whole if kind is Kind.ANSWER else pack(kind, request))

    async def frames(self, count: int) -> list[Frame]:
        """All that were asked, as soon as they are so many."""
        loop = asyncio.get_running_loop()
        while len(self.asked) < count:
            self.asked += self._reader.feed(await loop.sock_recv(self._end, 1 << 16))
        return self.asked


def play(
    game: Callable[[Link, Far], Awaitable[None]], deadline: float = LONG, orphans: list[Work] | None = None
) -> str | None:
    """A game with a link whose engine is the test; how the link ended, None if it still serves."""
    lost = [] if orphans is None else orphans

    async def main() -> str | None:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)

        async def started(*_: object) -> tuple[socket.socket, None]:
            theirs.send(frames.pack_record(Kind.HELLO, HELLO))
            return ours, None

        with pytest.MonkeyPatch.context() as patch, theirs:
            patch.setattr(link_module.starting, "start", started)
            link = await Link.start(link_module.Path("c"), deadline, lambda: None, lambda _, work: lost.extend(work))
            async with asyncio.timeout(20):
                await game(link, Far(theirs))
                ended = await link.wait_end() if link.closing else None
            link.kill("the test is over")
            await link.wait_end()
        return ended

    return asyncio.run(main())


def small() -> Question:
    return conversion("b", "e", ["1"], now=True)


def bulk() -> Question:
    return conversion("b", "e", ["1"])


async def answered(*questions: Question) -> None:
    for question in questions:
        assert isinstance(await question.outcome, Answer)


async def gone(link: Link) -> str:
    return await link.wait_end()


# --- what it takes ---------------------------------------------------------------------------------


def test_it_has_two_of_each_kind_and_takes_no_more() -> None:
    async def game(link: Link, far: Far) -> None:
        assert WINDOW == 2
        questions = [bulk(), signing("a\n"), small(), looking_up("common", "1")]
        room = []
        for question in questions:
            room.append((link.takes(now=True), link.takes(now=False)))
            link.send(question)
        room.append((link.takes(now=True), link.takes(now=False)))
        assert room == [(True, True), (True, True), (True, False), (True, False), (False, False)]
        assert link.in_flight == 4
        assert link.load == 4, "what converts nothing counts as one line"
        asked = await far.frames(4)
        assert [frame.kind for frame in asked] == [question.kind for question in questions]
        far.answer(asked[2].request)
        await answered(questions[2])
        assert (link.takes(now=True), link.takes(now=False)) == (True, False)
        link.close()
        assert (link.takes(now=True), link.takes(now=False)) == (False, False)
        link.kill("enough")

    assert play(game) == "enough"


def test_it_answers_what_it_has_of_either_kind_before_it_ends() -> None:
    async def game(link: Link, far: Far) -> None:
        questions = [bulk(), small()]
        for question in questions:
            link.send(question)
        link.close()
        for frame, question in zip(reversed(await far.frames(2)), reversed(questions), strict=True):
            far.answer(frame.request)
            await answered(question)

    assert play(game) == "closed its connection; the journal of its unit says why"


def test_what_it_had_of_either_kind_is_given_back_when_it_is_lost() -> None:
    orphans: list[Work] = []
    questions: list[Question] = []

    async def game(link: Link, far: Far) -> None:
        questions.extend([small(), bulk(), small(), bulk()])
        for question in questions:
            link.send(question)
        for frame in (await far.frames(4))[:2]:
            far.answer(frame.request)
        await answered(*questions[:2])
        link.kill("enough")

    play(game, orphans=orphans)
    assert orphans == [questions[3], questions[2]]
    assert not any(question.outcome.done() for question in questions[2:])


# --- the order of answers --------------------------------------------------------------------------


@given(st.lists(st.booleans(), max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_each_kind_is_answered_in_its_order_however_they_alternate(kinds: list[bool], chance: Random) -> None:
    async def game(link: Link, far: Far) -> None:
        waiting, sent = list(kinds), 0
        open_ones: dict[bool, list[tuple[int, Question]]] = {True: [], False: []}
        while waiting or any(open_ones.values()):
            while waiting and link.takes(waiting[0]):
                now = waiting.pop(0)
                question = small() if now else bulk()
                link.send(question)
                sent += 1
                open_ones[now].append((sent, question))
            now = chance.choice([now for now in (True, False) if open_ones[now]])
            request, question = open_ones[now].pop(0)
            await far.frames(sent)
            far.answer(request)
            await answered(question)
        assert link.answered == len(kinds)

    assert play(game) is None


@pytest.mark.parametrize("now", [True, False], ids=["for now", "bulk"])
def test_an_answer_out_of_its_kinds_order_is_a_broken_protocol(now: bool) -> None:
    async def game(link: Link, far: Far) -> None:
        questions = [small() if now else bulk(), bulk() if now else small(), small() if now else bulk()]
        for question in questions:
            link.send(question)
        far.answer((await far.frames(3))[2].request)
        await gone(link)
        assert not any(question.outcome.done() for question in questions)

    assert play(game) == "broke the protocol: frame ANSWER: answers a question that was not asked"


def test_the_same_answer_twice_is_a_broken_protocol() -> None:
    async def game(link: Link, far: Far) -> None:
        link.send(first := small())
        link.send(bulk())
        for _ in range(2):
            far.answer((await far.frames(2))[0].request)
        await gone(link)
        assert first.outcome.done()

    assert play(game) == "broke the protocol: frame ANSWER: answers a question that was not asked"


@pytest.mark.parametrize("make", [small, bulk], ids=["for now", "bulk"])
def test_a_sign_of_life_is_no_answer_to_a_question(make: Callable[[], Question]) -> None:
    async def game(link: Link, far: Far) -> None:
        link.send(question := make())
        far.answer((await far.frames(1))[0].request, Kind.PONG)
        await gone(link)
        assert not question.outcome.done()

    assert play(game) == "broke the protocol: frame PONG: not the answer to that question"


# --- deadlines -------------------------------------------------------------------------------------


@pytest.mark.parametrize("hung", [small, bulk], ids=["for now", "bulk"])
def test_one_that_hangs_is_found_though_nothing_else_is_asked(hung: Callable[[], Question]) -> None:
    async def game(link: Link, far: Far) -> None:
        link.send(hung())
        begun = asyncio.get_running_loop().time()
        await gone(link)
        assert 0.4 <= asyncio.get_running_loop().time() - begun < 5
        assert [frame.kind for frame in await far.frames(1)] == [hung().kind], "who has work is asked nothing besides"

    assert play(game, deadline=0.4) == "gave no answer for 0.4 s"


@pytest.mark.parametrize(("hung", "other"), [(small, bulk), (bulk, small)], ids=["for now", "bulk"])
def test_one_that_hangs_is_found_though_the_other_kind_is_answered(
    hung: Callable[[], Question], other: Callable[[], Question]
) -> None:
    async def game(link: Link, far: Far) -> None:
        link.send(hung())
        count = 1
        while not link.closing:
            link.send(question := other())
            count += 1
            request = (await far.frames(count))[-1].request
            with suppress(OSError):  # it was given up just then
                far.answer(request)
            await asyncio.wait([question.outcome], timeout=0.02)
            await asyncio.sleep(0.01)
        assert count > 5, "and much of the other kind was answered meanwhile"

    assert play(game, deadline=0.5) == "gave no answer for 0.5 s"


def test_each_has_the_whole_deadline_from_the_answer_before() -> None:
    async def game(link: Link, far: Far) -> None:
        questions = [bulk(), bulk(), small(), small()]
        for question in questions:
            link.send(question)
        asked = await far.frames(4)
        for pair in ((0, 2), (1, 3)):
            await asyncio.sleep(0.7)  # the second two come later than a deadline after they were asked
            for number in pair:
                far.answer(asked[number].request)
            await answered(*(questions[number] for number in pair))

    assert play(game, deadline=1.1) is None


@pytest.mark.parametrize("make", [small, bulk], ids=["for now", "bulk"])
def test_what_is_asked_later_gives_it_no_longer(make: Callable[[], Question]) -> None:
    async def game(link: Link, far: Far) -> None:
        begun = asyncio.get_running_loop().time()
        link.send(make())
        await asyncio.sleep(0.7)
        link.send(make())
        await gone(link)
        assert asyncio.get_running_loop().time() - begun < 1.6

    assert play(game, deadline=1.0) == "gave no answer for 1 s"


def test_one_that_was_idle_for_long_and_has_work_now_is_asked_nothing_besides() -> None:
    async def game(link: Link, far: Far) -> None:
        await asyncio.sleep(0.6)
        link.send(question := bulk())
        await asyncio.sleep(0.7)  # it has said nothing for longer than the deadline
        assert link.in_flight == 1
        far.answer((await far.frames(1))[0].request)
        await answered(question)
        assert [frame.kind for frame in far.asked] == [Kind.CONVERT]

    assert play(game, deadline=1.0) is None


def test_an_idle_one_is_asked_for_a_sign_of_life_and_only_an_idle_one() -> None:
    async def game(link: Link, far: Far) -> None:
        ping = (await far.frames(1))[0]
        assert ping.kind is Kind.PING and ping.kind in NOW
        assert (link.in_flight, link.load) == (1, 1)
        assert link.takes(now=True) and link.takes(now=False)
        link.send(question := small())
        far.answer(ping.request, Kind.PONG)
        far.answer((await far.frames(2))[1].request)
        await answered(question)
        assert [frame.kind for frame in await far.frames(3)][2] is Kind.PING, "idle once more"
        far.answer(far.asked[2].request, Kind.PONG)

    assert play(game, deadline=0.4) is None


def test_an_idle_one_that_gives_no_sign_of_life_is_given_up() -> None:
    async def game(link: Link, far: Far) -> None:
        assert [frame.kind for frame in await far.frames(1)] == [Kind.PING]
        await gone(link)

    assert play(game, deadline=0.3) == "gave no answer for 0.3 s"
