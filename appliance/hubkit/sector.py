"""A sector (A … F): its people, their existing numbers, its records, and the linkage numbers it was given.

Everything is in the sector's own SQLite file, and nothing of it is any other sector's: a sector knows its
own numbers only, so two sectors cannot join their files by themselves.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from appliance.errors import KagimoriError
from appliance.hubkit.exchange import NO_SUCH_ITEM, UNKNOWN_TO_HOLDER, Reply
from appliance.hubkit.linking import Linking, LinkRequest
from appliance.hubkit.register import FourAttributes

_SCHEMA = """
CREATE TABLE IF NOT EXISTS person (
    existing TEXT PRIMARY KEY, name TEXT NOT NULL, address TEXT NOT NULL, birth_date TEXT NOT NULL, sex TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS record (
    existing TEXT NOT NULL REFERENCES person, item TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (existing, item)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link (
    existing TEXT PRIMARY KEY REFERENCES person, number TEXT NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS inquiry (
    existing TEXT PRIMARY KEY REFERENCES person, reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS generation (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), name TEXT NOT NULL) STRICT;
"""


class SectorError(KagimoriError):
    """Something that would spoil the sector's file; nothing was stored."""


class Sector:
    """One sector with its SQLite file (made with mode 0600 if it is not there). ``letter`` is ``C``, say.

    Threads may share it: they write and answer by turns.
    """

    def __init__(self, letter: str, database: Path) -> None:
        self.letter = letter
        database.touch(mode=0o600)
        self._db = sqlite3.connect(database, check_same_thread=False)
        self._turn = threading.RLock()
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.executescript(_SCHEMA)

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
        row = self._db.execute("SELECT name FROM generation").fetchone()
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
        row = self._db.execute("SELECT data FROM record WHERE existing = ? AND item = ?", (existing, item)).fetchone()
        return None if row is None else str(row[0])

    # --- linking ----------------------------------------------------------------------------------

    def requests(self) -> Iterator[LinkRequest]:
        """A request for each person who has no linkage number yet."""
        rows = self._db.execute(
            "SELECT existing, name, address, birth_date, sex FROM person"
            " WHERE existing NOT IN (SELECT existing FROM link) ORDER BY existing"
        )
        for existing, *attributes in rows:
            yield LinkRequest(existing, FourAttributes(*attributes))

    def store(self, linking: Linking) -> None:
        """Store the pairs received and the list for inquiry, all or nothing.

        Raises:
            SectorError: the numbers are of another generation than those here, or one is stored already.
        """
        if linking.generation is not None:
            self._check_generation(linking.generation)
        try:
            with self._turn, self._db:
                self._db.executemany("DELETE FROM inquiry WHERE existing = ?", ((p.existing,) for p in linking.linked))
                self._db.executemany("INSERT INTO link VALUES (?, ?)", ((p.existing, p.number) for p in linking.linked))
                self._db.executemany(
                    "INSERT OR REPLACE INTO inquiry VALUES (?, ?)", ((u.existing, u.reason) for u in linking.unmatched)
                )
                if linking.generation is not None:
                    self._db.execute("INSERT OR REPLACE INTO generation VALUES (1, ?)", (linking.generation,))
        except sqlite3.IntegrityError:
            raise SectorError(
                f"sector {self.letter}: a person or linkage number in it is linked already; nothing was stored",
                "ask anew with requests()",
            ) from None

    def _check_generation(self, generation: str) -> None:
        row = self._db.execute("SELECT name FROM generation").fetchone()
        if row is not None and row[0] != generation:
            raise SectorError(
                f"sector {self.letter} holds numbers of {row[0]}, these are of {generation}; nothing was stored",
                "re-key the stored numbers first: two generations must not be mixed",
            )

    def inquiries(self) -> Iterator[tuple[str, str]]:
        """(existing number, reason) of everybody who could not be linked."""
        yield from self._db.execute("SELECT existing, reason FROM inquiry ORDER BY existing")

    def links(self) -> Iterator[tuple[str, str]]:
        """(existing number, linkage number) of everybody who could."""
        yield from self._db.execute("SELECT existing, number FROM link ORDER BY existing")

    def existing_of(self, number: str) -> str | None:
        """Whose linkage number it is here."""
        row = self._db.execute("SELECT existing FROM link WHERE number = ?", (number,)).fetchone()
        return None if row is None else str(row[0])

    # --- exchange -----------------------------------------------------------------------------------

    def answer(self, item: str, numbers: Sequence[str]) -> list[Reply]:
        """The holder's part of an exchange: one reply for each of its numbers, in order."""
        with self._turn:
            return [self._reply(item, number) for number in numbers]

    def _reply(self, item: str, number: str) -> Reply:
        existing = self.existing_of(number)
        if existing is None:
            return Reply(number, None, UNKNOWN_TO_HOLDER)
        data = self.data(existing, item)
        return Reply(number, data, None if data is not None else NO_SUCH_ITEM)

    # --- the file -----------------------------------------------------------------------------------

    def _write(self, statement: str, rows: Iterable[tuple[str, ...]], refusal: str) -> None:
        try:
            with self._turn, self._db:
                self._db.executemany(statement, rows)
        except sqlite3.IntegrityError:
            raise SectorError(f"sector {self.letter}: {refusal}; nothing was stored") from None

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
