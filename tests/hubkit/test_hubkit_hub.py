"""The hub's ruling and immediate answers. The appliance is a table here; test_hubkit_flows.py has the real one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from exchangekit import Clock, Holder, Table, hub, last, lines, moves, question, table

from appliance.hubkit.exchange import Answer, Asked, State, commitment
from appliance.hubkit.exchangeerrors import (
    BadQuestion,
    BasisNotYet,
    BasisOver,
    NoBasis,
    NotApproved,
    NotConnected,
    ReferenceUsed,
    TimedOut,
    TooMany,
    WrongGeneration,
)
from appliance.hubkit.hub import Hub
from appliance.hubkit.hubjournal import HubJournal


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[HubJournal]:
    with HubJournal(tmp_path / "journal.jsonl") as one:
        yield one


def test_answers_in_order_under_the_askers_own_numbers(journal: HubJournal) -> None:
    client = Table()
    answers = hub(journal, client).exchange(question("B-1", "A-1", "B-nobody", "B-empty", "B-2"))
    assert answers == [
        Answer("B-1", "income of E-1", None),
        Answer("A-1", None, "unknown_number"),
        Answer("B-nobody", None, "unknown_to_holder"),
        Answer("B-empty", None, "no_such_item"),
        Answer("B-2", "income of E-2", None),
    ]
    why = {"purpose": "benefit-check", "reference": "case-1"}
    assert client.asked == [
        ("sspin.B.1", "sspin.E.2", ("B-1", "A-1", "B-nobody", "B-empty", "B-2"), why),
        ("sspin.E.2", "sspin.B.1", ("E-1", "E-2"), why),
    ]


def test_the_holder_hears_its_own_numbers_the_law_and_the_time(journal: HubJournal) -> None:
    holder = Holder()
    hub(journal, holder=holder).exchange(question("B-1"))
    until = datetime(2026, 7, 11, 3, 0, tzinfo=UTC)
    why = ("B", "case-1", "income", "benefit-check", "番号法第19条第8号")
    assert holder.heard == [Asked(*why, until, "sspin.E.2", ("E-1",))]


def test_the_journal_says_what_but_never_who(journal: HubJournal) -> None:
    asked = question("B-1", "A-1", "B-empty")
    hub(journal).exchange(asked)
    always = {
        "time": "2026-07-01T03:00:00Z",
        "asker": "B",
        "holder": "E",
        "item": "income",
        "purpose": "benefit-check",
        "reference": "case-1",
        "people": 3,
        "basis": "benefit-income",
        "until": "2026-07-11T03:00:00Z",
    }
    whom = {"commitment": commitment(asked)}
    counts = {"answered": 1, "no_such_item": 1, "unknown_number": 1}
    assert lines(journal) == [
        {"n": 1, "move": "ask", "state": "asked", **always, **whom},
        {"n": 2, "move": "approve", "state": "approved", **always, **whom},
        {"n": 3, "move": "send", "state": "sent", **always, **whom},
        {"n": 4, "move": "answer", "state": "answered", **always, "counts": counts},
    ]
    text = journal.path.read_text()
    assert not any(number in text for number in ("B-1", "E-1", "empty", "A-1", "income of"))


def test_nobodys_number_is_sent_to_nobody(journal: HubJournal) -> None:
    holder = Holder()
    assert hub(journal, holder=holder).exchange(question("A-1")) == [Answer("A-1", None, "unknown_number")]
    assert holder.heard == []
    assert moves(journal) == ["ask", "approve", "answer"]


def test_a_holder_that_takes_too_long(journal: HubJournal) -> None:
    let_go = threading.Event()

    class Slow(Holder):
        def answer(self, asked: Asked) -> Any:
            let_go.wait(20)
            return super().answer(asked)

    one = hub(journal, holder=Slow(), patience=0.05)
    with pytest.raises(TimedOut, match="sector E took too long"):
        one.exchange(question("B-1"))
    let_go.set()
    assert moves(journal) == ["ask", "approve", "send", "time_out"]
    assert last(journal)["why"] == "holder_slow"
    with pytest.raises(ReferenceUsed, match="reference case-1 was used before; that question is timed_out"):
        one.exchange(question("B-1"))


def test_a_holder_that_wants_time_has_none_here(journal: HubJournal) -> None:
    class Later(Holder):
        def answer(self, asked: Asked) -> Any:
            return None

    with pytest.raises(TimedOut):
        hub(journal, holder=Later()).exchange(question("B-1"))
    assert journal.state(("B", "case-1")) is State.TIMED_OUT


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"asker": "C", "generation": "sspin.C.1"}, NoBasis),
        ({"holder": "F"}, NoBasis),
        ({"item": "health"}, NoBasis),
        ({"purpose": "curiosity"}, NoBasis),
        ({"generation": "sspin.A.1"}, WrongGeneration),
    ],
)
def test_what_no_basis_names_is_refused_before_anything_is_converted(
    journal: HubJournal, changes: dict[str, str], error: type[NotApproved]
) -> None:
    client, holder = Table(), Holder()
    with pytest.raises(error):
        hub(journal, client, holder).exchange(question("B-1", **changes))
    assert (client.asked, holder.heard) == ([], [])
    assert moves(journal) == ["ask", "refuse"]
    assert last(journal)["why"] == error.why
    assert "commitment" not in last(journal)


@pytest.mark.parametrize(
    ("now", "error"),
    [(datetime(2026, 3, 1, tzinfo=UTC), BasisNotYet), (datetime(2027, 4, 1, tzinfo=UTC), BasisOver)],
)
def test_out_of_season(journal: HubJournal, now: datetime, error: type[NotApproved]) -> None:
    with pytest.raises(error):
        hub(journal, clock=Clock(now)).submit(question("B-1"))
    assert last(journal)["why"] == error.why


def test_what_nobody_knows_is_not_written_down(journal: HubJournal) -> None:
    """A field is no letter box: what somebody made up does not reach the journal."""
    with pytest.raises(NoBasis):
        hub(journal).submit(question("B-1", item="yamada-taro", purpose="of-sakuradai", holder="Yamada"))
    for line in lines(journal):
        assert (line["holder"], line["item"], line["purpose"]) == (None, None, None)
    with pytest.raises(BadQuestion, match="asker: no sector of the hub's table"):
        hub(journal).submit(question("B-1", asker="Yamada"))
    assert len(lines(journal)) == 2


def test_a_sector_that_is_not_connected(journal: HubJournal) -> None:
    with pytest.raises(NotConnected, match="sector E is not connected to this hub"):
        Hub(Table(), table(), {}, journal, clock=Clock()).exchange(question("B-1"))  # type: ignore[arg-type]
    assert last(journal)["why"] == "not_connected"


def test_a_day_has_its_limit_and_midnight_is_that_of_japan(journal: HubJournal) -> None:
    clock = Clock()
    one = hub(journal, law=table({"most_people_a_day": 3}), clock=clock)
    one.exchange(question("B-1", "B-2", reference="r1"))
    with pytest.raises(TooMany, match="allows 3 people a day; 2 were asked about today"):
        one.exchange(question("B-1", "B-2", reference="r2"))
    one.exchange(question("B-3", reference="r3"))
    clock.now = datetime(2026, 7, 1, 14, 59, tzinfo=UTC)
    with pytest.raises(TooMany):
        one.exchange(question("B-1", reference="r4"))
    clock.forward(minutes=1)
    one.exchange(question("B-1", "B-2", "B-3", reference="r5"))
    journal.close()
    with HubJournal(journal.path) as again, pytest.raises(TooMany):
        hub(again, law=table({"most_people_a_day": 3}), clock=clock).exchange(question("B-1", reference="r6"))


def test_each_is_used_once_by_each_asker(journal: HubJournal) -> None:
    law = table({}, {"id": "other", "asker": "C"})
    one = hub(journal, law=law)
    one.exchange(question("B-1"))
    client = Table()
    with pytest.raises(ReferenceUsed, match="that question is answered") as caught:
        hub(journal, client, law=law).exchange(question("B-2"))
    assert caught.value.state is State.ANSWERED
    assert client.asked == []
    assert (last(journal)["move"], last(journal)["why"]) == ("repeat", "reference_used")
    assert one.exchange(question("C-1", asker="C", generation="sspin.C.1"))


def test_the_very_same_question_is_not_answered_twice(journal: HubJournal) -> None:
    asked = question("B-1")
    one = hub(journal)
    one.exchange(asked)
    with pytest.raises(ReferenceUsed):
        one.exchange(asked)
    assert moves(journal) == ["ask", "approve", "send", "answer", "repeat"]


def test_what_waits_is_the_same_questions_alone(journal: HubJournal) -> None:
    """Approved for one person, and then asked about another one under the same reference."""
    client, holder = Table(), Holder()
    one = hub(journal, client, holder)
    asked = question("B-nobody", "B-1")
    one.submit(asked)
    before = len(client.asked)
    others = [
        replace(asked, numbers=("B-nobody",)),
        replace(asked, numbers=("B-1", "B-nobody")),
        replace(asked, numbers=("B-nobody", "B-2")),
        replace(asked, purpose="curiosity"),
        question("B-nobody", "B-1"),
    ]
    for other in others:
        with pytest.raises(ReferenceUsed, match="that question is awaiting_linking"):
            one.submit(other)
    assert len(client.asked) == before
    holder.records.strangers.clear()
    assert one.submit(asked).answers[0] == Answer("B-nobody", "income of E-nobody", None)


def test_a_repetition_takes_nothing_from_the_question(journal: HubJournal) -> None:
    holder = Holder()
    asked = question("B-1", "B-nobody")
    hub(journal, holder=holder).submit(asked)
    with pytest.raises(ReferenceUsed):
        hub(journal, holder=holder).submit(question("B-1", "B-2", "B-3"))
    journal.close()
    holder.records.strangers.clear()
    with HubJournal(journal.path) as again:
        answers = hub(again, holder=holder).submit(asked).answers
    assert [one.problem for one in answers] == ["handed_out_before", None]
