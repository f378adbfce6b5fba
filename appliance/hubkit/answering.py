"""The holder's part of an exchange: a sector answers from its records, and its book says whom it answered about what.

Somebody whom the sector does not know may be a person whom it has not linked yet. Such a question stays open in the
book; after the sector's next linking it is *ready*, and the next time the asker comes it is answered.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Protocol

from appliance.hubkit.exchange import ANSWERED, UNKNOWN_TO_HOLDER, Asked, Reply, State
from appliance.hubkit.exchangebook import Entry, ExchangeBook, moment
from appliance.hubkit.exchangeerrors import BookError


class Records(Protocol):
    """What is needed of a sector's files; `appliance.hubkit.sector.Sector` has it."""

    @property
    def generation(self) -> str:
        """The key generation of its numbers."""

    def answer(self, item: str, numbers: Sequence[str]) -> list[Reply]:
        """One reply a number, in order."""


class Answering:
    """A sector that can be asked: its records and its book. What the hub's ``holders`` are made of."""

    def __init__(self, book: ExchangeBook, records: Records) -> None:
        self._book = book
        self._records = records

    @property
    def generation(self) -> str:
        """The key generation of its numbers."""
        return self._records.generation

    def ready(self, asker: str, reference: str) -> bool:
        """Whether an answer would say more than the last one: a question never heard of, or somebody linked since."""
        with self._book.writing() as db:
            question = _known(db, asker, reference)
            open_numbers = _numbers(db, asker, reference, still_open=True)
        if question is None or not open_numbers or question[2] != self._records.generation:
            return True
        replies = self._records.answer(question[0], sorted(open_numbers))
        return any(reply.problem != UNKNOWN_TO_HOLDER for reply in replies)

    def answer(self, asked: Asked) -> list[Reply]:
        """Enter the question in the book, answer from the records, and note what was answered.

        The same question may come again, about the same people or some of them; whatever came of the first time.

        Raises:
            BookError: too late, of another key generation, or about other people than before under its reference.
        """
        self._check_generation(asked)
        self._enter(asked)
        replies = self._records.answer(asked.item, asked.numbers)
        self._check_generation(asked)  # re-keyed meanwhile, the records may have been looked up by other numbers
        self._note(asked, replies)
        return replies

    def _check_generation(self, asked: Asked) -> None:
        if asked.generation != self._records.generation:
            raise BookError(f"sector {self._book.letter} has other numbers than those of {asked.generation}")

    def open_questions(self) -> list[Entry]:
        """What still waits for this sector's linking, the oldest first."""
        return [one for one in self._book.received() if one.state is State.AWAITING_LINKING]

    def answerable(self) -> list[Entry]:
        """Those of the open questions that could now be answered: the asker may come."""
        return [one for one in self.open_questions() if self.ready(one.party, one.reference)]

    def _enter(self, asked: Asked) -> None:
        now = self._book.now()
        if moment(asked.until) <= now:
            raise BookError(f"the question {asked.reference} came too late")
        head = (asked.asker, asked.reference)
        with self._book.writing() as db:
            question = _known(db, *head)
            if question is None:
                row = (*head, asked.item, asked.purpose, asked.law, asked.generation, now, moment(asked.until))
                db.execute("INSERT INTO received VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, State.SENT))
            else:
                self._check_again(db, asked, question)
            db.executemany(
                "INSERT OR IGNORE INTO received_about VALUES (?, ?, ?, NULL, NULL)", ((*head, n) for n in asked.numbers)
            )

    def _check_again(self, db: sqlite3.Connection, asked: Asked, question: tuple[str, str, str]) -> None:
        """A hub, or whoever has got at it, must not ask about more people under a reference that was good once."""
        head = (asked.asker, asked.reference)
        if question[:2] != (asked.item, asked.purpose):
            raise BookError(f"under {asked.reference} something else was asked before")
        if question[2] == asked.generation:
            if not set(asked.numbers) <= _numbers(db, *head):
                raise BookError(f"under {asked.reference} other people were asked about before")
            return
        # re-keyed since: those still open have other numbers now
        still_open = _numbers(db, *head, still_open=True)
        if len(set(asked.numbers)) > len(still_open):
            raise BookError(f"under {asked.reference} fewer people were asked about before")
        rows = ((*head, number) for number in still_open)
        db.executemany("DELETE FROM received_about WHERE asker = ? AND reference = ? AND number = ?", rows)
        db.execute("UPDATE received SET generation = ? WHERE asker = ? AND reference = ?", (asked.generation, *head))

    def _note(self, asked: Asked, replies: Sequence[Reply]) -> None:
        now, head = self._book.now(), (asked.asker, asked.reference)
        rows = ((reply.problem or ANSWERED, now, *head, reply.number) for reply in replies)
        with self._book.writing() as db:
            db.executemany(
                "UPDATE received_about SET outcome = ?, at = ? WHERE asker = ? AND reference = ? AND number = ?", rows
            )
            state = State.AWAITING_LINKING if _numbers(db, *head, still_open=True) else State.ANSWERED
            db.execute("UPDATE received SET state = ? WHERE asker = ? AND reference = ?", (state, *head))


def _known(db: sqlite3.Connection, asker: str, reference: str) -> tuple[str, str, str] | None:
    """Item, purpose and generation of a question received."""
    statement = "SELECT item, purpose, generation FROM received WHERE asker = ? AND reference = ?"
    row: tuple[str, str, str] | None = db.execute(statement, (asker, reference)).fetchone()
    return row


def _numbers(db: sqlite3.Connection, asker: str, reference: str, *, still_open: bool = False) -> set[str]:
    statement = "SELECT number FROM received_about WHERE asker = ? AND reference = ?"
    if still_open:
        statement += f" AND (outcome IS NULL OR outcome = '{UNKNOWN_TO_HOLDER}')"
    return {str(number) for (number,) in db.execute(statement, (asker, reference))}
