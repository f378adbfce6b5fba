"""A sector (A … F): its people, their existing numbers, its records, and the linkage numbers it was given.

Everything is in the sector's own SQLite file, and nothing of it is any other sector's: a sector knows its
own numbers only, so two sectors cannot join their files by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from sqlite3 import Connection

from appliance.hubkit.exchange import NO_SUCH_ITEM, UNKNOWN_TO_HOLDER, Reply
from appliance.hubkit.inquiries import ALREADY_LINKED, Inquiries, Inquiry
from appliance.hubkit.intake import Intake
from appliance.hubkit.linking import Linking, LinkRequest, Unmatched
from appliance.hubkit.linkrequests import AnswerTo, LinkRequests
from appliance.hubkit.register import FourAttributes
from appliance.hubkit.sectorfile import SectorError, SectorFile, utc_now
from appliance.matching.decision import Outcome

__all__ = ["Sector", "SectorError", "Stored"]


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of an answer. ``left_out``: people who were corrected or closed since they were asked about."""

    linked: int
    inquiries: int
    left_out: int


class Sector(SectorFile):
    """One sector with its SQLite file (made with mode 0600 if it is not there). ``letter`` is ``C``, say.

    Threads may share it: they write and answer by turns.
    """

    def __init__(self, letter: str | None, database: Path, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(database, letter, clock)
        self.intake = Intake(self)
        self.link_requests = LinkRequests(self)
        self.inquiry_list = Inquiries(self)

    @property
    def domain(self) -> str:
        """The sector's own domain, ``sspin.C``."""
        return f"sspin.{self.letter}"

    @property
    def generation(self) -> str:
        """The key generation of the numbers stored here (``sspin.C.1``): a number itself does not tell.

        Raises:
            SectorError: no numbers yet.
        """
        row = self.one("SELECT name FROM generation")
        if row is None:
            raise SectorError(f"sector {self.letter} has no linkage numbers yet", "link it first")
        return str(row[0])

    # --- its own people and records -------------------------------------------------------------

    def enter(self, people: Iterable[tuple[str, FourAttributes]]) -> None:
        """Enter people: (existing number, four attributes as the sector knows them).

        Raises:
            SectorError: an existing number is taken; none of the people was entered.
        """
        rows = ((existing, one.name, one.address, one.birth_date, one.sex) for existing, one in people)
        self._write("INSERT INTO person VALUES (?, ?, ?, ?, ?)", rows, "an existing number is taken")

    def keep(self, item: str, records: Iterable[tuple[str, str]]) -> None:
        """Keep records of one kind: (existing number, data). A newer one replaces the older."""
        rows = ((existing, item, data) for existing, data in records)
        self._write("INSERT OR REPLACE INTO record VALUES (?, ?, ?)", rows, "a record is about nobody here")

    def data(self, existing: str, item: str) -> str | None:
        """The sector's own record of a person."""
        row = self.one("SELECT data FROM record WHERE existing = ? AND item = ?", existing, item)
        return None if row is None else str(row[0])

    # --- linking ----------------------------------------------------------------------------------

    def requests(self, *, corrected: bool = False) -> Iterator[LinkRequest]:
        """A request for each person who has no linkage number, is in no request that waits, and not closed.

        ``corrected``: only those whose attributes were corrected since they were asked about in vain.
        """
        rows = self.rows(
            "SELECT existing, name, address, birth_date, sex FROM person LEFT JOIN inquiry USING (existing)"
            " WHERE existing NOT IN (SELECT existing FROM link)"
            " AND existing NOT IN (SELECT existing FROM asked WHERE NOT stale)"
            " AND state IS NOT 'closed' AND (state IS 'corrected' OR NOT ?) ORDER BY existing",
            corrected,
        )
        for existing, *attributes in rows:
            yield LinkRequest(existing, FourAttributes(*attributes))

    def store(self, linking: Linking, to: AnswerTo | None = None) -> Stored:
        """Store the pairs received and the list for inquiry, all or nothing. ``to``: if it came in a file.

        Whoever would get a number that another person here has already is put on the list, too: nobody can say by
        machine which of the two records is right.

        Raises:
            SectorError: the numbers are of another generation than those here, or somebody is linked already; the
                answer is to another request, or about others than asked about.
            AlreadyReceived: the answer was taken before.
        """
        with self.writing(
            "a person or linkage number in it is there twice or linked already", "ask anew with requests()"
        ) as db:
            left_out = {existing for (existing,) in db.execute("SELECT existing FROM inquiry WHERE state = 'closed'")}
            if to is not None:
                left_out |= self.link_requests.answered(db, to, _people(linking))
            if linking.generation is not None:
                self._check_generation(db, linking.generation)
            return self._store(db, linking, left_out)

    def _store(self, db: Connection, linking: Linking, left_out: set[str]) -> Stored:
        found = [(one.existing, one.number) for one in linking.linked if one.existing not in left_out]
        taken = dict(self._taken(db, found))
        linked = [(existing, number) for existing, number in found if existing not in taken]
        unmatched = [one for one in linking.unmatched if one.existing not in left_out]
        unmatched.extend(Unmatched(existing, Outcome.AMBIGUOUS, (ALREADY_LINKED,)) for existing in taken)
        db.executemany("DELETE FROM inquiry WHERE existing = ?", ((existing,) for existing, _ in linked))
        db.executemany("INSERT INTO link VALUES (?, ?)", linked)
        if linked:
            db.execute("INSERT OR REPLACE INTO generation VALUES (1, ?)", (linking.generation,))
        self.inquiry_list.note(db, unmatched, taken)
        everybody = len(linking.linked) + len(linking.unmatched)
        return Stored(len(linked), len(unmatched), everybody - len(linked) - len(unmatched))

    def _taken(self, db: Connection, found: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        """Who would get a number that another person here has (two records of one person, mostly), and whose it is."""
        for existing, number in found:
            row = db.execute("SELECT existing FROM link WHERE number = ?", (number,)).fetchone()
            if row is not None and row[0] != existing:
                yield existing, row[0]

    def _check_generation(self, db: Connection, generation: str) -> None:
        row = db.execute("SELECT name FROM generation").fetchone()
        if row is not None and row[0] != generation:
            raise SectorError(
                f"sector {self.letter} holds numbers of {row[0]}, these are of {generation}; nothing was stored",
                "re-key the stored numbers first: two generations must not be mixed",
            )

    def inquiries(self) -> Iterator[Inquiry]:
        """Everybody who could not be linked, in order of their existing numbers."""
        return (inquiry for inquiry, _ in self.inquiry_list.every())

    def links(self) -> Iterator[tuple[str, str]]:
        """(existing number, linkage number) of everybody who could."""
        yield from self.rows("SELECT existing, number FROM link ORDER BY existing")

    def existing_of(self, number: str) -> str | None:
        """Whose linkage number it is here."""
        row = self.one("SELECT existing FROM link WHERE number = ?", number)
        return None if row is None else str(row[0])

    # --- exchange -----------------------------------------------------------------------------------

    def answer(self, item: str, numbers: Sequence[str]) -> list[Reply]:
        """The holder's part of an exchange: one reply for each of its numbers, in order."""
        with self.turn:
            return [self._reply(item, number) for number in numbers]

    def _reply(self, item: str, number: str) -> Reply:
        existing = self.existing_of(number)
        if existing is None:
            return Reply(number, None, UNKNOWN_TO_HOLDER)
        data = self.data(existing, item)
        return Reply(number, data, None if data is not None else NO_SUCH_ITEM)

    def _write(self, statement: str, rows: Iterable[tuple[str, ...]], refusal: str) -> None:
        with self.writing(refusal) as db:
            db.executemany(statement, rows)


def _people(linking: Linking) -> Iterator[str]:
    yield from (one.existing for one in linking.linked)
    yield from (one.existing for one in linking.unmatched)
