"""A sector's own book of exchanges: what it asked and was asked, under which reference, when, and what became of it.

One SQLite file, mode 0600. It holds the sector's own numbers, which the hub must not keep, and no data: those go
to the sector's files. What was asked is in the book before the hub hears of it, so a crash loses nothing: the same
question, with its key, is submitted again. `appliance.hubkit.answering` writes the other half, what was asked of it.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from appliance.hubkit.exchange import (
    ANSWERED,
    ENDED,
    HANDED_OUT_BEFORE,
    KEY_BYTES,
    UNKNOWN_TO_HOLDER,
    Question,
    State,
    Ticket,
)
from appliance.hubkit.exchangeerrors import (
    AnswerRefused,
    BookError,
    ExchangeError,
    Expired,
    HolderConfused,
    HolderFailed,
    NotApproved,
    ReferenceUsed,
    TimedOut,
)

_ENDED = ", ".join(f"'{state}'" for state in sorted(ENDED))
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS asked (
    reference TEXT PRIMARY KEY, holder TEXT NOT NULL, item TEXT NOT NULL, purpose TEXT NOT NULL,
    generation TEXT NOT NULL, key BLOB NOT NULL, at TEXT NOT NULL, until TEXT, state TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS asked_about (
    reference TEXT NOT NULL REFERENCES asked ON DELETE CASCADE, place INTEGER NOT NULL, number TEXT NOT NULL,
    outcome TEXT, at TEXT, PRIMARY KEY (reference, place), UNIQUE (reference, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS received (
    asker TEXT NOT NULL, reference TEXT NOT NULL, item TEXT NOT NULL, purpose TEXT NOT NULL, law TEXT NOT NULL,
    generation TEXT NOT NULL, at TEXT NOT NULL, until TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (asker, reference)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS received_about (
    asker TEXT NOT NULL, reference TEXT NOT NULL, number TEXT NOT NULL, outcome TEXT, at TEXT,
    PRIMARY KEY (asker, reference, number),
    FOREIGN KEY (asker, reference) REFERENCES received ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS asked_open ON asked (until) WHERE state NOT IN ({_ENDED});
CREATE INDEX IF NOT EXISTS received_open ON received (until) WHERE state NOT IN ({_ENDED});
"""
_STATE_AFTER: dict[type[ExchangeError], State] = {
    NotApproved: State.REFUSED,
    Expired: State.EXPIRED,
    TimedOut: State.TIMED_OUT,
    HolderFailed: State.FAILED,
    HolderConfused: State.FAILED,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A question in the book. ``party``: the holder, of one that was asked; the asker, of one received.

    ``outcomes``: how many people got what; those not heard of yet are counted as ``open``.
    """

    party: str
    reference: str
    item: str
    purpose: str
    at: datetime
    until: datetime | None
    state: State
    outcomes: dict[str, int] = field(default_factory=dict)


class ExchangeBook:
    """The book of sector ``letter`` (made with mode 0600 if it is not there). Threads may share it.

    ``clock``: the time, with its time zone.

    Raises:
        BookError: the file cannot be used.
    """

    def __init__(self, letter: str, path: Path, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.letter = letter
        self._clock = clock
        self._turn = threading.RLock()
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            self._db = sqlite3.connect(path, check_same_thread=False)
            self._db.execute("PRAGMA foreign_keys = ON")
            self._db.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise BookError(f"{path}: cannot be used as a book of exchanges ({error})") from None

    # --- as the asker -------------------------------------------------------------------------------

    def ask(
        self, *, holder: str, item: str, purpose: str, reference: str, generation: str, numbers: Iterable[str]
    ) -> Question:
        """Enter a question, about each person once. `put` hands it in.

        Raises:
            BadQuestion: a field that cannot be. ReferenceUsed: the book has a question under this reference.
        """
        about = tuple(dict.fromkeys(numbers))
        key = secrets.token_bytes(KEY_BYTES)
        question = Question(self.letter, holder, item, purpose, reference, generation, about, key)
        row = (reference, holder, item, purpose, generation, key, self.now(), None, State.ASKED)
        with self.writing() as db:
            taken = db.execute("SELECT state FROM asked WHERE reference = ?", (reference,)).fetchone()
            if taken is not None:
                raise ReferenceUsed(reference, str(taken[0]))
            db.execute("INSERT INTO asked VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            rows = ((reference, place, number) for place, number in enumerate(about))
            db.executemany("INSERT INTO asked_about VALUES (?, ?, ?, NULL, NULL)", rows)
        return question

    def put(self, submit: Callable[[Question], Ticket], question: Question) -> Ticket:
        """Submit a question of the book (``submit``: the hub's) and note what became of it.

        Raises:
            As ``submit``, after it was noted. AnswerRefused: as `note`.
        """
        try:
            ticket = submit(question)
        except ExchangeError as error:
            self._note_failure(question.reference, error)
            raise
        self.note(ticket)
        return ticket

    def collect(self, submit: Callable[[Question], Ticket]) -> Iterator[Ticket]:
        """Submit every open question again, and note what became of each; those with a ticket are given.

        Raises:
            While iterating: `HubkitError` and `JournalUnusable`, as ``submit``; the rest is open still.
        """
        for question in self.open_asked():
            try:
                yield self.put(submit, question)
            except ExchangeError as error:
                if error.why is None:
                    raise

    def open_asked(self) -> list[Question]:
        """The questions that have not ended, the oldest first."""
        statement = (
            "SELECT holder, item, purpose, reference, generation, key FROM asked"  # noqa: S608 -- names of this module
            f" WHERE state NOT IN ({_ENDED}) ORDER BY at, reference"
        )
        with self.writing() as db:
            rows = [(row, tuple(_outcomes(db, row[3]))) for row in db.execute(statement).fetchall()]
        return [
            Question(self.letter, holder, item, purpose, reference, generation, numbers, key)
            for (holder, item, purpose, reference, generation, key), numbers in rows
        ]

    def note(self, ticket: Ticket) -> None:
        """Note what a ticket says. Its answers must be about exactly those asked about, and data must not come twice.

        Raises:
            AnswerRefused: they are not, or do; nothing was stored, and none of them must be used.
        """
        with self.writing() as db:
            outcomes = _outcomes(db, ticket.reference)
            if ticket.answers and [one.number for one in ticket.answers] != list(outcomes):
                raise self._answer_refused(ticket, "is not about those whom it asked about")
            new = [one for one in ticket.answers if one.problem != HANDED_OUT_BEFORE or outcomes[one.number] is None]
            if any(outcomes[one.number] not in {None, UNKNOWN_TO_HOLDER} for one in new):
                raise self._answer_refused(ticket, "is about somebody answered before")
            db.executemany(
                "UPDATE asked_about SET outcome = ?, at = ? WHERE reference = ? AND number = ?",
                ((one.problem or ANSWERED, self.now(), ticket.reference, one.number) for one in new),
            )
            row = (ticket.state, moment(ticket.until), ticket.reference)
            db.execute("UPDATE asked SET state = ?, until = ? WHERE reference = ?", row)

    def _answer_refused(self, ticket: Ticket, why: str) -> AnswerRefused:
        what = f"the answer under {ticket.reference} to sector {self.letter} {why}"
        return AnswerRefused(what, "use none of it, and tell the hub")

    def _note_failure(self, reference: str, error: ExchangeError) -> None:
        state = next((state for kind, state in _STATE_AFTER.items() if isinstance(error, kind)), None)
        if isinstance(error, ReferenceUsed):
            state = State(error.state) if error.state in ENDED else None
        if state is not None:
            with self.writing() as db:
                awaiting = "AND state != 'awaiting_linking'" if state is State.FAILED else ""
                db.execute(f"UPDATE asked SET state = ? WHERE reference = ? {awaiting}", (state, reference))  # noqa: S608

    # --- both halves --------------------------------------------------------------------------------

    def asked(self) -> list[Entry]:
        """What this sector asked, the oldest first."""
        return self._entries("holder", "asked", "reference = q.reference")

    def received(self) -> list[Entry]:
        """What this sector was asked, the oldest first."""
        return self._entries("asker", "received", "asker = q.asker AND reference = q.reference")

    def _entries(self, party: str, table: str, same: str) -> list[Entry]:
        with self.writing() as db:
            rows = db.execute(
                f"SELECT {party}, reference, item, purpose, at, until, state,"  # noqa: S608 -- names of this module
                " (SELECT json_group_object(what, people) FROM (SELECT coalesce(outcome, 'open') AS what,"
                f" count(*) AS people FROM {table}_about WHERE {same} GROUP BY what))"
                f" FROM {table} AS q ORDER BY at, reference"
            ).fetchall()
        return [_entry(*row) for row in rows]

    def forget(self, before: datetime) -> int:
        """Delete the questions that have ended and came before a time, with all numbers; how many. Open ones stay."""
        with self.writing() as db:
            return sum(
                db.execute(
                    f"DELETE FROM {table} WHERE at < ? AND (until IS NULL OR state IN ({_ENDED}))",  # noqa: S608
                    (moment(before),),
                ).rowcount
                for table in ("asked", "received")
            )

    # --- the file -----------------------------------------------------------------------------------

    def now(self) -> str:
        """The time, as the book writes it."""
        return moment(self._clock())

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One thread at a time, all or nothing; what is overdue has expired before anybody looks.

        Raises:
            BookError: the file cannot be written.
        """
        with self._turn:
            try:
                with self._db:
                    self._db.execute("BEGIN IMMEDIATE")
                    for table in ("asked", "received"):
                        self._db.execute(
                            f"UPDATE {table} SET state = 'expired' WHERE until <= ? AND state NOT IN ({_ENDED})",  # noqa: S608
                            (self.now(),),
                        )
                    yield self._db
            except sqlite3.Error as error:
                raise BookError(f"the book of exchanges of sector {self.letter} cannot be written ({error})") from None

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def _outcomes(db: sqlite3.Connection, reference: str) -> dict[str, str | None]:
    """Whom a question is about, in its order, and what became of each."""
    rows = db.execute("SELECT number, outcome FROM asked_about WHERE reference = ? ORDER BY place", (reference,))
    return dict(rows.fetchall())


def moment(time: datetime) -> str:
    """A time as text that sorts as the times do: UTC, microseconds."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _entry(
    party: str, reference: str, item: str, purpose: str, at: str, until: str | None, state: str, counts: str
) -> Entry:
    times = datetime.fromisoformat(at), datetime.fromisoformat(until) if until else None
    return Entry(party, reference, item, purpose, *times, State(state), json.loads(counts))
