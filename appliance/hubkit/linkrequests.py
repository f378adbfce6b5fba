"""What a sector has asked for and waits for: nobody is asked about twice at once, and no answer is taken twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from appliance.hubkit.sectorfile import SectorError, SectorFile


class AlreadyReceived(SectorError):
    """This very answer was received before. Nothing is wrong, and nothing was changed."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that waits for its answer."""

    reference: str
    since: str
    people: int


@dataclass(frozen=True, slots=True)
class AnswerTo:
    """Which answer it is, and to which request: SHA-256 of both files, in hex."""

    reference: str
    request: str
    answer: str


class LinkRequests:
    """The requests of one sector file."""

    def __init__(self, file: SectorFile) -> None:
        self._file = file

    def begin(self, reference: str, sha256: str, people: Iterable[str]) -> None:
        """Note that a request is made; ``people`` by existing number.

        Raises:
            SectorError: the reference was used before, or a person is nobody here.
        """
        rows = [(reference, existing) for existing in people]
        with self._file.writing("the reference was used before", "name another --reference") as db:
            request = (reference, sha256, len(rows), self._file.now())
            db.execute("INSERT INTO request VALUES (?, ?, ?, ?, 'waiting', NULL, NULL)", request)
            db.executemany("INSERT INTO asked (reference, existing) VALUES (?, ?)", rows)

    def waiting(self) -> list[Waiting]:
        """The requests that wait, the oldest first."""
        rows = self._file.rows(
            "SELECT reference, since, people FROM request WHERE state = 'waiting' ORDER BY since, reference"
        )
        return [Waiting(*row) for row in rows]

    def cancel(self, reference: str) -> None:
        """Wait no more: the file was lost, or refused. Its people can be asked about again, its answer is not taken.

        Raises:
            SectorError: no such request waits.
        """
        with self._file.writing("it cannot be cancelled") as db:
            ended = db.execute(
                "UPDATE request SET state = 'cancelled', ended = ? WHERE reference = ? AND state = 'waiting'",
                (self._file.now(), reference),
            )
            if not ended.rowcount:
                raise SectorError(f"no request {reference} waits for an answer", "`appliance sector status` lists them")
            db.execute("DELETE FROM asked WHERE reference = ?", (reference,))

    def answered(self, db: sqlite3.Connection, to: AnswerTo, people: Iterable[str]) -> set[str]:
        """Note that an answer is taken; who in it is stale. In a transaction of the caller's.

        Raises:
            AlreadyReceived: this answer was taken before.
            SectorError: it is an answer to something else, or not about exactly those asked about.
        """
        row = db.execute("SELECT state, sha256, answer, ended FROM request WHERE reference = ?", (to.reference,))
        state, request, answer, ended = row.fetchone() or (None, None, None, None)
        if state == "answered" and answer == to.answer:
            raise AlreadyReceived(f"this answer was received before, at {ended}; nothing was changed")
        if state != "waiting":
            was = "was never made" if state is None else f"is {state} since {ended}"
            raise SectorError(
                f"the request {to.reference} that it answers {was}; nothing was stored",
                "`appliance sector status` lists the requests that wait",
            )
        if request != to.request:
            raise SectorError(
                f"it answers another file than the request {to.reference} made here; nothing was stored",
                "the request was altered on its way, or made from another copy of the sector file; ask anew",
            )
        return self._taken(db, to, people)

    def _taken(self, db: sqlite3.Connection, to: AnswerTo, people: Iterable[str]) -> set[str]:
        asked = dict(db.execute("SELECT existing, stale FROM asked WHERE reference = ?", (to.reference,)).fetchall())
        about = list(people)
        if len(about) != len(asked) or set(about) != asked.keys():
            raise SectorError(
                f"it is not about exactly the {len(asked)} people of the request {to.reference}; nothing was stored",
                "ask the numbering authority for a new answer",
            )
        done = (to.answer, self._file.now(), to.reference)
        db.execute("UPDATE request SET state = 'answered', answer = ?, ended = ? WHERE reference = ?", done)
        db.execute("DELETE FROM asked WHERE reference = ?", (to.reference,))
        return {existing for existing, stale in asked.items() if stale}
