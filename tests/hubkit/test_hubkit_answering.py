"""The holder's part: the question is in its book, is ready when somebody is linked, and never grows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from exchangekit import NOW, Clock, Records

from appliance.hubkit.answering import Answering
from appliance.hubkit.exchange import Answer, Asked, Question, State, Ticket
from appliance.hubkit.exchangebook import ExchangeBook
from appliance.hubkit.exchangeerrors import (
    BookError,
)

UNTIL = NOW + timedelta(days=10)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(tmp_path: Path, clock: Clock) -> Iterator[ExchangeBook]:
    with ExchangeBook("B", tmp_path / "B.sqlite", clock=clock) as one:
        yield one


@pytest.fixture
def theirs(tmp_path: Path, clock: Clock) -> Iterator[ExchangeBook]:
    with ExchangeBook("E", tmp_path / "E.sqlite", clock=clock) as one:
        yield one


def ask(book: ExchangeBook, *numbers: str, reference: str = "case-1", **changes: str) -> Question:
    terms = {"holder": "E", "item": "income", "purpose": "benefit-check", "generation": "sspin.B.1", **changes}
    return book.ask(**terms, reference=reference, numbers=numbers)


def ticket(*answers: Answer, state: State = State.ANSWERED) -> Ticket:
    return Ticket("B", "case-1", state, UNTIL, answers)


def asked(*numbers: str, **changes: Any) -> Asked:
    plain = Asked("B", "case-1", "income", "benefit-check", "法", UNTIL, "sspin.E.2", numbers)
    return replace(plain, **changes)


def test_the_question_is_in_the_book(theirs: ExchangeBook) -> None:
    records = Records("E-2")
    replies = Answering(theirs, records).answer(asked("E-1", "E-2"))
    assert [(one.number, one.problem) for one in replies] == [("E-1", None), ("E-2", "unknown_to_holder")]
    (entry,) = theirs.received()
    assert (entry.party, entry.reference, entry.state) == ("B", "case-1", State.AWAITING_LINKING)
    assert (entry.at, entry.until) == (NOW, UNTIL)
    assert entry.outcomes == {"answered": 1, "unknown_to_holder": 1}


def test_ready_when_somebody_is_linked(theirs: ExchangeBook) -> None:
    records = Records("E-1", "E-2")
    one = Answering(theirs, records)
    assert one.ready("B", "case-1"), "never heard of it: it must hear it"
    one.answer(asked("E-1", "E-2"))
    assert not one.ready("B", "case-1")
    assert (len(one.open_questions()), one.answerable()) == (1, [])
    records.strangers.discard("E-2")
    assert one.ready("B", "case-1")
    assert [entry.reference for entry in one.answerable()] == ["case-1"]
    assert [reply.data for reply in one.answer(asked("E-1", "E-2"))] == [None, "income of E-2"]
    assert not one.ready("B", "case-1")
    records.strangers.clear()
    assert one.answer(asked("E-1"))[0].data == "income of E-1"
    assert one.open_questions() == []
    assert theirs.received()[0].state is State.ANSWERED
    assert one.ready("B", "case-1"), "the asker may not have got it"


def test_the_same_question_is_one_question(theirs: ExchangeBook) -> None:
    one = Answering(theirs, Records())
    assert one.answer(asked("E-1", "E-2")) == one.answer(asked("E-1", "E-2"))
    assert len(theirs.received()) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"numbers": ("E-1", "E-9")}, "under case-1 other people were asked about before"),
        ({"item": "health"}, "under case-1 something else was asked before"),
        ({"purpose": "audit"}, "under case-1 something else was asked before"),
        ({"generation": "sspin.E.1"}, r"sector E has other numbers than those of sspin\.E\.1"),
        ({"until": NOW}, "the question case-1 came too late"),
    ],
)
def test_a_rogue_hub_asks_more_under_an_old_reference(
    theirs: ExchangeBook, changes: dict[str, Any], message: str
) -> None:
    records = Records()
    one = Answering(theirs, records)
    one.answer(asked("E-1", "E-2"))
    before = len(records.asked), theirs.received()
    with pytest.raises(BookError, match=message):
        one.answer(replace(asked("E-1"), **changes))
    assert (len(records.asked), theirs.received()) == before


def test_other_askers_have_references_of_their_own(theirs: ExchangeBook) -> None:
    one = Answering(theirs, Records())
    one.answer(asked("E-1"))
    one.answer(asked("E-2", asker="C"))
    assert [entry.party for entry in theirs.received()] == ["B", "C"]


def test_rekeyed_while_somebody_waited(theirs: ExchangeBook) -> None:
    records = Records("E-1", "E-2", generation="sspin.E.2")
    one = Answering(theirs, records)
    one.answer(asked("E-1", "E-2", "E-3"))
    records.generation, records.strangers = "sspin.E.3", {"E3-1", "E3-2"}
    assert one.ready("B", "case-1"), "its numbers are others now: it cannot know"
    with pytest.raises(BookError, match="under case-1 fewer people were asked about before"):
        one.answer(asked("E3-1", "E3-2", "E3-3", generation="sspin.E.3"))
    one.answer(asked("E3-1", "E3-2", generation="sspin.E.3"))
    assert not one.ready("B", "case-1")
    records.strangers.clear()
    one.answer(asked("E3-1", "E3-2", generation="sspin.E.3"))
    assert theirs.received()[0].outcomes == {"answered": 3}


def test_records_that_fail(theirs: ExchangeBook) -> None:
    class Failing(Records):
        def answer(self, item: str, numbers: Any) -> Any:
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        Answering(theirs, Failing()).answer(asked("E-1"))
    assert (theirs.received()[0].state, theirs.received()[0].outcomes) == (State.SENT, {"open": 1})
    assert Answering(theirs, Records()).ready("B", "case-1")
