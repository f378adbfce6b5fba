"""A sector's book: both halves of an exchange under one reference, what is open, and what is forgotten."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from exchangekit import NOW, Clock, Records, Table, table

from appliance.hubkit.answering import Answering
from appliance.hubkit.errors import DaemonUnreachable
from appliance.hubkit.exchange import Answer, Asked, Question, State, Ticket
from appliance.hubkit.exchangebook import ExchangeBook
from appliance.hubkit.exchangeerrors import (
    AnswerRefused,
    BookError,
    Expired,
    HolderFailed,
    JournalUnusable,
    NoBasis,
    ReferenceUsed,
    TimedOut,
)
from appliance.hubkit.hub import Hub
from appliance.hubkit.hubjournal import HubJournal

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


class TestAsking:
    def test_it_is_in_the_book_before_the_hub_hears_of_it(self, book: ExchangeBook, tmp_path: Path) -> None:
        question = ask(book, "B-1", "B-2", "B-1")
        assert question.numbers == ("B-1", "B-2")
        with ExchangeBook("B", tmp_path / "B.sqlite") as again:
            assert again.open_asked() == [question]
            (entry,) = again.asked()
        assert (entry.party, entry.reference, entry.item) == ("E", "case-1", "income")
        assert (entry.state, entry.at, entry.until, entry.outcomes) == (State.ASKED, NOW, None, {"open": 2})

    def test_a_reference_is_used_once(self, book: ExchangeBook) -> None:
        question = ask(book, "B-1")
        with pytest.raises(ReferenceUsed, match="reference case-1 was used before; that question is asked"):
            ask(book, "B-2")
        assert book.open_asked() == [question]

    def test_each_question_has_a_key_of_its_own(self, book: ExchangeBook) -> None:
        assert ask(book, "B-1").key != ask(book, "B-1", reference="case-2").key

    def test_an_answer(self, book: ExchangeBook) -> None:
        question = ask(book, "B-3", "B-1", "B-2")
        answers = (
            Answer("B-3", None, "unknown_to_holder"),
            Answer("B-1", "d", None),
            Answer("B-2", None, "no_such_item"),
        )
        assert book.put(lambda _: ticket(*answers, state=State.AWAITING_LINKING), question).answers == answers
        (entry,) = book.asked()
        assert entry.outcomes == {"answered": 1, "no_such_item": 1, "unknown_to_holder": 1}
        assert (entry.state, entry.until) == (State.AWAITING_LINKING, UNTIL)
        assert book.open_asked() == [question]
        before = [Answer(number, None, "handed_out_before") for number in ("B-1", "B-2")]
        book.note(ticket(Answer("B-3", "d", None), *before))
        assert book.open_asked() == []
        assert book.asked()[0].outcomes == {"answered": 2, "no_such_item": 1}

    def test_an_answer_that_was_lost_on_the_way_is_seen_to_be(self, book: ExchangeBook) -> None:
        question = ask(book, "B-1", "B-2")
        answers = (Answer("B-1", None, "handed_out_before"), Answer("B-2", None, "unknown_to_holder"))
        book.put(lambda _: ticket(*answers, state=State.AWAITING_LINKING), question)
        assert book.asked()[0].outcomes == {"handed_out_before": 1, "unknown_to_holder": 1}
        with pytest.raises(AnswerRefused, match="is about somebody answered before"):
            book.note(ticket(Answer("B-1", "d", None), Answer("B-2", "d", None)))

    @pytest.mark.parametrize(
        "numbers", [("B-1",), ("B-1", "B-9"), ("B-2", "B-1"), ("B-1", "B-2", "B-9"), ("B-1", "B-1"), ("B-9",)], ids=str
    )
    def test_an_answer_about_others_is_refused(self, book: ExchangeBook, numbers: tuple[str, ...]) -> None:
        question = ask(book, "B-1", "B-2")
        said = ticket(*(Answer(number, "d", None) for number in numbers))
        with pytest.raises(
            AnswerRefused, match="to sector B is not about those whom it asked about\n  → use none of it"
        ):
            book.put(lambda _: said, question)
        assert book.asked()[0].outcomes == {"open": 2}

    def test_an_answer_comes_once(self, book: ExchangeBook) -> None:
        question = ask(book, "B-1")
        said = ticket(Answer("B-1", "d", None))
        book.put(lambda _: said, question)
        with pytest.raises(AnswerRefused):
            book.note(said)
        with pytest.raises(AnswerRefused):
            book.note(replace(said, reference="case-9"))

    @pytest.mark.parametrize(
        ("error", "state"),
        [
            (NoBasis("no"), State.REFUSED),
            (Expired("late"), State.EXPIRED),
            (TimedOut("slow"), State.TIMED_OUT),
            (HolderFailed("ill"), State.FAILED),
            (ReferenceUsed("case-1", State.ANSWERED), State.ANSWERED),
            (ReferenceUsed("case-1", State.SENT), State.ASKED),
            (JournalUnusable("full"), State.ASKED),
            (DaemonUnreachable("gone"), State.ASKED),
        ],
    )
    def test_what_became_of_it(self, book: ExchangeBook, error: Exception, state: State) -> None:
        def submit(_: Question) -> Ticket:
            raise error

        with pytest.raises(type(error)):
            book.put(submit, ask(book, "B-1"))
        assert book.asked()[0].state is state
        still_open = state in {State.ASKED, State.FAILED}
        assert len(book.open_asked()) == still_open
        if isinstance(error, JournalUnusable | DaemonUnreachable):
            with pytest.raises(type(error)):
                list(book.collect(submit))
        else:
            assert list(book.collect(submit)) == []

    def test_one_that_fails_does_not_keep_the_others_back(self, book: ExchangeBook) -> None:
        ask(book, "B-1", reference="case-0")
        ask(book, "B-2")

        def submit(question: Question) -> Ticket:
            if question.reference == "case-0":
                raise HolderFailed("ill")
            return ticket(Answer("B-2", "d", None))

        assert [one.reference for one in book.collect(submit)] == ["case-1"]

    def test_awaiting_stays_awaiting_when_a_try_fails(self, book: ExchangeBook) -> None:
        question = ask(book, "B-1")
        book.put(lambda _: ticket(Answer("B-1", None, "unknown_to_holder"), state=State.AWAITING_LINKING), question)

        def submit(_: Question) -> Ticket:
            raise HolderFailed("ill")

        assert list(book.collect(submit)) == []
        assert book.asked()[0].state is State.AWAITING_LINKING

    def test_it_expires_by_itself(self, book: ExchangeBook, clock: Clock) -> None:
        question = ask(book, "B-1")
        book.put(lambda _: ticket(Answer("B-1", None, "unknown_to_holder"), state=State.AWAITING_LINKING), question)
        clock.now = UNTIL - timedelta(microseconds=1)
        assert len(book.open_asked()) == 1
        clock.now = UNTIL
        assert book.open_asked() == []
        assert book.asked()[0].state is State.EXPIRED


class TestTogether:
    def test_all_three_have_the_same_reference(
        self, book: ExchangeBook, theirs: ExchangeBook, tmp_path: Path, clock: Clock
    ) -> None:
        records = Records("E-2")
        with HubJournal(tmp_path / "journal.jsonl") as journal:
            hub = Hub(Table(), table(), {"E": Answering(theirs, records)}, journal, clock=clock)  # type: ignore[arg-type]
            book.put(hub.submit, ask(book, "B-1", "B-2"))
            states = [one.state for one in (*book.asked(), *theirs.received(), *journal.open_questions())]
            assert states == [State.AWAITING_LINKING] * 3
            assert [one.answers for one in book.collect(hub.submit)] == [()]
            records.strangers.clear()
            (one,) = book.collect(hub.submit)
            assert one.answers[1] == Answer("B-2", "income of E-2", None)
            assert {book.asked()[0].state, theirs.received()[0].state, hub.state("B", "case-1")} == {State.ANSWERED}
            assert book.asked()[0].reference == theirs.received()[0].reference == "case-1"
            assert list(book.collect(hub.submit)) == []


class TestTheFile:
    def test_its_owners_alone_and_no_data_in_it(self, book: ExchangeBook, tmp_path: Path) -> None:
        path = tmp_path / "B.sqlite"
        assert path.stat().st_mode & 0o777 == 0o600
        book.put(lambda _: ticket(Answer("B-1", "three million yen", None)), ask(book, "B-1"))
        assert b"million" not in path.read_bytes()
        assert b"B-1" in path.read_bytes(), "the search must be able to find"

    def test_forgetting(self, book: ExchangeBook, clock: Clock, tmp_path: Path) -> None:
        book.put(lambda _: ticket(Answer("B-answered", "d", None)), ask(book, "B-answered"))
        waiting = ticket(Answer("B-waiting", None, "unknown_to_holder"), state=State.AWAITING_LINKING)
        book.put(lambda q: replace(waiting, reference=q.reference), ask(book, "B-waiting", reference="case-2"))
        clock.forward(days=1)
        ask(book, "B-young", reference="case-3")
        Answering(book, Records(generation="sspin.B.1")).answer(asked("B-received", generation="sspin.B.1"))
        clock.forward(days=1)
        assert book.forget(NOW) == 0
        assert book.forget(clock.now - timedelta(days=1)) == 1
        left = (tmp_path / "B.sqlite").read_bytes()
        assert b"B-answered" not in left
        assert all(text in left for text in (b"B-waiting", b"B-young", b"B-received"))
        clock.now = UNTIL
        assert book.forget(clock.now) == 3
        left = (tmp_path / "B.sqlite").read_bytes()
        assert not any(text in left for text in (b"B-waiting", b"B-young", b"B-received"))
        assert (book.asked(), book.received()) == ([], [])
        assert ask(book, "B-answered").reference == "case-1"

    def test_what_is_no_book(self, tmp_path: Path) -> None:
        path = tmp_path / "text"
        path.write_text("not a database, but long enough to look at it " * 20)
        with pytest.raises(BookError, match="cannot be used as a book of exchanges"):
            ExchangeBook("B", path)
        link = tmp_path / "link"
        link.symlink_to(tmp_path / "elsewhere.sqlite")
        with pytest.raises(BookError, match="cannot be used"):
            ExchangeBook("B", link)

    def test_a_disk_that_fails(self, book: ExchangeBook, tmp_path: Path) -> None:
        other = sqlite3.connect(tmp_path / "B.sqlite", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        book._db.execute("PRAGMA busy_timeout = 10")
        with pytest.raises(
            BookError, match=r"the book of exchanges of sector B cannot be written \(database is locked\)"
        ):
            ask(book, "B-1")
        other.close()
        assert ask(book, "B-1")

    def test_times_sort(self, book: ExchangeBook, clock: Clock) -> None:
        for n, now in enumerate(
            [NOW, NOW + timedelta(microseconds=1), NOW.replace(microsecond=0) + timedelta(hours=1)]
        ):
            clock.now = now
            ask(book, "B-1", reference=f"case-{n}")
        assert [one.at for one in book.asked()] == sorted(one.at for one in book.asked())
        assert all(isinstance(one.at, datetime) for one in book.asked())
