"""Rogue and broken holders, an appliance that is away, clerks at once; and nothing of anybody left in the hub."""

from __future__ import annotations

import gc
import threading
import types
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from exchangekit import NOW, Clock, Holder, Table, hub, last, lines, question

from appliance.hubkit.errors import DaemonUnreachable
from appliance.hubkit.exchange import Asked, Reply, State
from appliance.hubkit.exchangeerrors import (
    ExchangeError,
    HolderConfused,
    HolderFailed,
    InHand,
)
from appliance.hubkit.hubjournal import HubJournal
from appliance.hubkit.wire import Conversion, Converted


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[HubJournal]:
    with HubJournal(tmp_path / "journal.jsonl") as one:
        yield one


def _swapped(replies: list[Reply]) -> Any:
    return replies[::-1]


def _with(index: int, number: object, data: object, problem: object) -> Any:
    def change(replies: list[Reply]) -> Any:
        return [*replies[:index], Reply(number, data, problem), *replies[index + 1 :]]  # type: ignore[arg-type]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_swapped, "did not answer about the people asked about"),
        (lambda replies: replies[:-1], "did not answer about the people asked about"),
        (lambda replies: [*replies, replies[0]], "did not answer about the people asked about"),
        (_with(0, "E-9", "d", None), "did not answer about the people asked about"),
        (_with(1, "E-1", "d", None), "did not answer about the people asked about"),
        (_with(1, "E-2", None, None), "did not answer in the form agreed on"),
        (_with(1, "E-2", "d", "no_such_item"), "did not answer in the form agreed on"),
        (_with(1, "E-2", None, "yamada_taro"), "did not answer in the form agreed on"),
        (_with(1, "E-2", 17, None), "did not answer in the form agreed on"),
        (_with(1, "E-2", "x" * 1_048_577, None), "did not answer in the form agreed on"),
        (lambda _: "E-1", "did not answer in the form agreed on"),
        (lambda replies: [one.data for one in replies], "did not answer in the form agreed on"),
    ],
)
def test_what_it_says_is_not_believed(journal: HubJournal, change: Any, message: str) -> None:
    class Rogue(Holder):
        def answer(self, asked: Asked) -> Any:
            return change(super().answer(asked))

    asked = question("B-1", "B-2")
    with pytest.raises(HolderConfused, match=f"sector E {message}"):
        hub(journal, holder=Rogue()).exchange(asked)
    assert (last(journal)["state"], last(journal)["why"]) == ("failed", "holder_confused")
    assert "yamada" not in journal.path.read_text()
    assert hub(journal).submit(asked).state is State.ANSWERED, "the sector has put it right"


def test_it_gets_no_numbers_but_its_own(journal: HubJournal) -> None:
    class Greedy(Holder):
        generation = "sspin.A.1"  # type: ignore[assignment]

    client, holder = Table(), Greedy()
    with pytest.raises(HolderConfused, match="sector E named a key generation that is not its own"):
        hub(journal, client, holder).exchange(question("B-1"))
    assert (client.asked, holder.heard) == ([], [])


def test_a_number_that_does_not_lead_back_is_not_believed(journal: HubJournal) -> None:
    class Drifting(Table):
        def convert(self, source: str, target: str, numbers: Sequence[str], **why: str) -> Conversion:
            said = super().convert(source, target, numbers, **why)
            return said if target.startswith("sspin.E") else Conversion(source, target, 1, (Converted("B-other"),))

    with pytest.raises(HolderConfused, match="sector E answered with a number that is not the one asked about"):
        hub(journal, Drifting()).exchange(question("B-1"))


@pytest.mark.parametrize("part", ["generation", "answer", "ready"])
@pytest.mark.parametrize("error", [ValueError("山田太郎"), SystemExit("E-1"), ExchangeError("E-1 is 山田太郎")])
def test_its_exceptions_end_at_the_hub_without_their_words(
    journal: HubJournal, part: str, error: BaseException
) -> None:
    class Broken(Holder):
        @property
        def generation(self) -> str:
            return self._or_raise("generation", "sspin.E.2")

        def ready(self, asker: str, reference: str) -> bool:
            return self._or_raise("ready", True)

        def answer(self, asked: Asked) -> Any:
            return self._or_raise("answer", super().answer(asked))

        def _or_raise(self, name: str, value: Any) -> Any:
            if name == part and self.broken:
                raise error
            return value

        broken = part != "ready"

    holder, asked = Broken(), question("B-nobody")
    one = hub(journal, holder=holder)
    if part == "ready":
        one.submit(asked)
        holder.broken = True
    with pytest.raises(HolderFailed, match=r"^sector E could not answer\n") as caught:
        one.submit(asked)
    assert caught.value.__context__ is None
    assert last(journal)["why"] == "holder_failed"
    assert last(journal)["state"] == ("awaiting_linking" if part == "ready" else "failed")
    assert "山田" not in journal.path.read_text()
    holder.broken = False
    holder.records.strangers.clear()
    assert one.submit(asked).state is State.ANSWERED


def test_slow_to_say_even_which_numbers_it_has(journal: HubJournal) -> None:
    let_go = threading.Event()

    class Asleep(Holder):
        @property
        def generation(self) -> str:
            let_go.wait(20)
            return "sspin.E.2"

    with pytest.raises(HolderFailed, match="sector E did not even say which numbers it has"):
        hub(journal, holder=Asleep(), patience=0.05).exchange(question("B-1"))
    let_go.set()
    assert last(journal)["state"] == "failed"


def test_the_appliance_is_away_and_comes_back(journal: HubJournal) -> None:
    class Gone(Table):
        def convert(self, source: str, target: str, numbers: Sequence[str], **why: str) -> Conversion:
            raise DaemonUnreachable("d.sock: Connection refused")

    asked = question("B-1", "B-2")
    with pytest.raises(DaemonUnreachable, match="Connection refused"):
        hub(journal, Gone()).exchange(asked)
    assert (last(journal)["state"], last(journal)["why"]) == ("failed", "appliance")
    assert len(hub(journal).exchange(asked)) == 2


def test_no_answer_without_a_journal(journal: HubJournal) -> None:
    client = Table()
    journal.path.unlink()
    journal.path.mkdir()
    with pytest.raises(ExchangeError, match=r"journal\.jsonl cannot be written \(it was moved away or replaced\)"):
        hub(journal, client).exchange(question("B-1"))
    assert client.asked == []


def test_one_thread_carries_a_question(journal: HubJournal) -> None:
    asked = question("B-1")

    class Meanwhile(Holder):
        errors: list[ExchangeError] = []  # noqa: RUF012 -- a test's own

        def answer(self, question: Asked) -> Any:
            with pytest.raises(InHand, match="the question case-1 is being carried just now") as caught:
                hub(journal).submit(asked)
            assert hub(journal, clock=Clock(datetime(2027, 1, 1, tzinfo=UTC))).expire() == 0
            self.errors.append(caught.value)
            return super().answer(question)

    assert hub(journal, holder=Meanwhile()).submit(asked).state is State.ANSWERED
    assert len(Meanwhile.errors) == 1


def test_many_clerks_share_a_journal(journal: HubJournal) -> None:
    def clerk(name: int) -> None:
        one = hub(journal)
        for case in range(20):
            assert one.exchange(question(f"B-{case}", reference=f"c{name}-{case}"))

    clerks = [threading.Thread(target=clerk, args=(name,)) for name in range(4)]
    for each in clerks:
        each.start()
    for each in clerks:
        each.join()
    assert len(lines(journal)) == 4 * 20 * 4
    journal.close()
    with HubJournal(journal.path) as again:
        assert again.open_questions() == []
        assert again.people_on("benefit-income", NOW.date()) == 80


def test_the_hub_keeps_no_reference_to_what_it_carried(journal: HubJournal) -> None:
    one = hub(journal)
    asked = question("B-secret", "B-nobody-secret")
    one.submit(asked)
    texts = reachable(one)
    assert "case-1" in texts
    assert not [text for text in texts if "secret" in text]
    assert asked.key not in reachable(one, bytes)
    one.__dict__["planted"] = asked
    assert [text for text in reachable(one) if "secret" in text], "the search must be able to find"
    assert asked.key in reachable(one, bytes)


def reachable(root: object, kind: type = str) -> set[Any]:
    """Everything of a kind that can be reached from an object, leaving out code and what tests made the holder of."""
    code = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType, types.FrameType)
    seen: set[int] = set()
    todo, found = [root], set()
    while todo:
        thing = todo.pop()
        if id(thing) in seen or isinstance(thing, (*code, Holder, Table)):
            continue
        seen.add(id(thing))
        if isinstance(thing, kind):
            found.add(thing)
        elif not isinstance(thing, str | bytes):
            todo.extend(gc.get_referents(thing))
    return found
