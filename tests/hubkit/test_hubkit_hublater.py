"""Answers that come later: linked since, part by part, when ready, until the time is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from exchangekit import Clock, Holder, Table, hub, last, lines, moves, question, table

from appliance.hubkit.exchange import Answer, Asked, State
from appliance.hubkit.exchangeerrors import (
    Expired,
    HolderFailed,
    ReferenceUsed,
    TimedOut,
)
from appliance.hubkit.hub import Hub
from appliance.hubkit.hubjournal import HubJournal


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[HubJournal]:
    with HubJournal(tmp_path / "journal.jsonl") as one:
        yield one


def test_somebody_unknown_is_linked_and_then_answered(journal: HubJournal) -> None:
    clock, holder = Clock(), Holder()
    one = hub(journal, holder=holder, clock=clock)
    asked = question("B-1", "B-nobody", "A-1")
    ticket = one.submit(asked)
    assert (ticket.state, ticket.until) == (State.AWAITING_LINKING, datetime(2026, 7, 11, 3, tzinfo=UTC))
    assert [answer.problem for answer in ticket.answers] == [None, "unknown_to_holder", "unknown_number"]
    assert one.state("B", "case-1") is State.AWAITING_LINKING
    clock.forward(days=9)
    holder.records.strangers.clear()
    ticket = one.submit(asked)
    assert ticket.state is State.ANSWERED
    assert ticket.answers == (
        Answer("B-1", None, "handed_out_before"),
        Answer("B-nobody", "income of E-nobody", None),
        Answer("A-1", None, "handed_out_before"),
    )
    assert [one["counts"] for one in lines(journal) if "counts" in one] == [
        {"answered": 1, "unknown_to_holder": 1, "unknown_number": 1},
        {"answered": 1},
    ]


def test_part_by_part(journal: HubJournal) -> None:
    client, holder = Table(), Holder("E-1", "E-2")
    one = hub(journal, client, holder)
    asked = question("B-1", "B-2", "B-3")
    tickets = [one.submit(asked)]
    holder.records.strangers.discard("E-2")
    tickets.append(one.submit(asked))
    holder.records.strangers.clear()
    tickets.append(one.submit(asked))
    data = [answer.number for ticket in tickets for answer in ticket.answers if answer.data]
    assert data == ["B-3", "B-2", "B-1"]
    assert [ticket.state for ticket in tickets] == [State.AWAITING_LINKING] * 2 + [State.ANSWERED]
    there = [numbers for _, target, numbers, _ in client.asked if target.startswith("sspin.E")]
    assert there == [("B-1", "B-2", "B-3"), ("B-1", "B-2"), ("B-1",)], "who was answered is not converted again"


def test_nothing_is_converted_before_the_holder_is_ready(journal: HubJournal) -> None:
    """Each conversion stands in the person's history: an asker that looks in every hour must not fill it."""
    client, holder = Table(), Holder()
    one = hub(journal, client, holder)
    asked = question("B-nobody")
    one.submit(asked)
    before = len(client.asked), len(holder.heard), len(lines(journal))
    holder.is_ready = False
    for _ in range(5):
        ticket = one.submit(asked)
        assert (ticket.state, ticket.answers) == (State.AWAITING_LINKING, ())
    assert (len(client.asked), len(holder.heard), len(lines(journal))) == before
    with pytest.raises(TimedOut):
        one.exchange(asked)
    assert one.state("B", "case-1") is State.AWAITING_LINKING


def test_a_holder_that_answers_when_it_has_the_answer(journal: HubJournal) -> None:
    class Later(Holder):
        has_it = False

        def answer(self, asked: Asked) -> Any:
            return super().answer(asked) if self.has_it else None

    holder = Later()
    one = hub(journal, holder=holder)
    asked = question("B-1")
    assert one.submit(asked).state is State.SENT
    holder.has_it = True
    assert one.submit(asked).answers == (Answer("B-1", "income of E-1", None),)
    assert moves(journal) == ["ask", "approve", "send", "send", "answer"]


def test_slow_is_not_lost(journal: HubJournal) -> None:
    let_go = threading.Event()

    class Slow(Holder):
        def answer(self, asked: Asked) -> Any:
            let_go.wait(20)
            return super().answer(asked)

    asked = question("B-1")
    ticket = hub(journal, holder=Slow(), patience=0.05).submit(asked)
    assert (ticket.state, ticket.answers) == (State.SENT, ())
    let_go.set()
    assert hub(journal).submit(asked).state is State.ANSWERED


@pytest.mark.parametrize("how", ["looking", "submitting", "expire"])
def test_time_is_over(journal: HubJournal, how: str) -> None:
    clock, holder, client = Clock(), Holder(), Table()
    one = hub(journal, client, holder, clock=clock)
    asked = question("B-nobody")
    one.submit(asked)
    holder.records.strangers.clear()
    clock.forward(days=9, hours=23, minutes=59)
    assert one.expire() == 0
    clock.forward(minutes=1)
    before = len(client.asked)
    if how == "expire":
        assert (one.expire(), one.expire()) == (1, 0)
    elif how == "looking":
        assert one.state("B", "case-1") is State.EXPIRED
    with pytest.raises(Expired if how == "submitting" else ReferenceUsed):
        one.submit(asked)
    assert one.state("B", "case-1") is State.EXPIRED
    assert len(client.asked) == before
    expired = [line for line in lines(journal) if line["move"] == "expire"]
    assert [line["why"] for line in expired] == ["too_late"]


def test_time_runs_out_while_the_holder_answers(journal: HubJournal) -> None:
    clock = Clock()

    class Dawdling(Holder):
        def answer(self, asked: Asked) -> Any:
            clock.forward(days=10)
            return super().answer(asked)

    with pytest.raises(Expired, match="question case-1 expired while the holder answered"):
        hub(journal, holder=Dawdling(), clock=clock).submit(question("B-1"))
    assert journal.state(("B", "case-1")) is State.EXPIRED


def test_a_basis_that_was_taken_away_ends_what_waits_for_it(journal: HubJournal) -> None:
    holder, client = Holder(), Table()
    asked = question("B-nobody")
    hub(journal, client, holder).submit(asked)
    holder.records.strangers.clear()
    before = len(client.asked)
    with pytest.raises(Expired, match="question case-1 has expired: sector B may not ask sector E") as caught:
        hub(journal, client, holder, law=table({"purpose": "audit"})).submit(asked)
    assert caught.value.hint is not None
    assert len(client.asked) == before
    assert (last(journal)["state"], last(journal)["why"]) == ("expired", "no_basis")


def test_a_sector_that_is_away_for_a_while_loses_no_question(journal: HubJournal) -> None:
    holder, asked = Holder(), question("B-nobody")
    hub(journal, holder=holder).submit(asked)
    before = lines(journal)
    with pytest.raises(HolderFailed, match="sector E is not connected to this hub now"):
        Hub(Table(), table(), {}, journal, clock=Clock()).submit(asked)  # type: ignore[arg-type]
    assert lines(journal) == before
    holder.records.strangers.clear()
    assert hub(journal, holder=holder).submit(asked).state is State.ANSWERED


def test_nobody_waits_longer_than_the_basis_allows(journal: HubJournal) -> None:
    let_go = threading.Event()

    class Asleep(Holder):
        def answer(self, asked: Asked) -> Any:
            return super().answer(asked) if let_go.wait(20) else None

    one = hub(journal, holder=Asleep(), law=table({"answer_within": "1 s"}), patience=60)
    began = time.monotonic()
    with pytest.raises(TimedOut):
        one.exchange(question("B-1"))
    assert time.monotonic() - began < 15
    let_go.set()


def test_a_late_answer_does_not_count_against_the_day(journal: HubJournal) -> None:
    holder = Holder()
    one = hub(journal, holder=holder, law=table({"most_people_a_day": 1}))
    asked = question("B-nobody")
    one.submit(asked)
    holder.records.strangers.clear()
    assert one.submit(asked).state is State.ANSWERED


def test_never_heard_of(journal: HubJournal) -> None:
    assert hub(journal).state("B", "case-1") is None
