"""A sector's SQLite file: its tables, how it is opened, and that what is written is written whole or not at all."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from appliance.errors import KagimoriError

_VERSION = 2
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE sector (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), letter TEXT NOT NULL) STRICT;
CREATE TABLE person (
    existing TEXT PRIMARY KEY, name TEXT NOT NULL, address TEXT NOT NULL, birth_date TEXT NOT NULL, sex TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE former (  -- what a person's attributes were before they were corrected
    id INTEGER PRIMARY KEY, existing TEXT NOT NULL REFERENCES person, name TEXT NOT NULL, address TEXT NOT NULL,
    birth_date TEXT NOT NULL, sex TEXT NOT NULL, until TEXT NOT NULL
) STRICT;
CREATE TABLE record (
    existing TEXT NOT NULL REFERENCES person, item TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (existing, item)
) STRICT, WITHOUT ROWID;
CREATE TABLE link (
    existing TEXT PRIMARY KEY REFERENCES person, number TEXT NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;
CREATE TABLE inquiry (
    existing TEXT PRIMARY KEY REFERENCES person, outcome TEXT NOT NULL, reasons TEXT NOT NULL, since TEXT NOT NULL,
    asked INTEGER NOT NULL, state TEXT NOT NULL CHECK (state IN ('open', 'corrected', 'closed')),
    changed TEXT NOT NULL, because TEXT, note TEXT, same_as TEXT REFERENCES person,
    CHECK ((state = 'closed') = (because IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE TABLE request (
    reference TEXT PRIMARY KEY, sha256 TEXT NOT NULL, people INTEGER NOT NULL, since TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'answered', 'cancelled')), answer TEXT, ended TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE asked (  -- who is in a request that waits; stale: their attributes are not those any more
    reference TEXT NOT NULL REFERENCES request, existing TEXT NOT NULL REFERENCES person,
    stale INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (reference, existing)
) STRICT, WITHOUT ROWID;
CREATE INDEX asked_existing ON asked (existing);
CREATE TABLE generation (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), name TEXT NOT NULL) STRICT;
PRAGMA user_version = {_VERSION};
COMMIT;
"""
_AGAIN = "load the people into a new file and link them again: the numbers will be the same"


class SectorError(KagimoriError):
    """Something that would spoil the sector's file; nothing was stored."""


def utc_now() -> datetime:
    """The time now."""
    return datetime.now(UTC)


class SectorFile:
    """An open sector file. Threads may share it: they write by turns.

    Args:
        database: the file; made with mode 0600 if it is not there and ``letter`` is given.
        letter: the sector's, ``C``; None takes it from the file.
        clock: tells the time that is written beside what changes.

    Raises:
        SectorError: no such file, not a sector's, another sector's, or one of an earlier version.
    """

    def __init__(self, database: Path, letter: str | None = None, clock: Callable[[], datetime] = utc_now) -> None:
        self.path = database
        self._clock = clock
        self.turn = threading.RLock()
        if letter is None and not database.is_file():
            raise SectorError(
                f"{database}: there is no sector file", "`appliance sector load --sector LETTER` makes one"
            )
        if letter is not None:
            database.touch(mode=0o600)
        self.db = sqlite3.connect(database, check_same_thread=False, isolation_level=None)
        try:
            self.letter = self._opened(letter)
        except BaseException:
            self.db.close()
            raise

    def _opened(self, letter: str | None) -> str:
        with self._telling():
            self.db.execute("PRAGMA foreign_keys = ON")
            self.db.execute("PRAGMA secure_delete = ON")
            (version,) = self.db.execute("PRAGMA user_version").fetchone()
            if version == 0 and not self.db.execute("SELECT 1 FROM sqlite_schema").fetchone() and letter is not None:
                self.db.executescript(_SCHEMA)
                self.db.execute("INSERT INTO sector VALUES (1, ?)", (letter,))
            elif version != _VERSION:
                raise SectorError(f"{self.path}: not a sector file of this version", _AGAIN)
            row = self.db.execute("SELECT letter FROM sector").fetchone()
        found = "" if row is None else str(row[0])
        if not found or letter not in (None, found):
            raise SectorError(f"{self.path}: is the file of sector {found or '?'}, not of {letter or 'any'}")
        return found

    def now(self) -> str:
        """The time to write beside what changes: UTC, to the second."""
        return self._clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def rows(self, statement: str, *values: object) -> Iterator[Any]:
        """The rows of a question."""
        with self._telling():
            yield from self.db.execute(statement, values)

    def one(self, statement: str, *values: object) -> Any:
        """The first row of a question, None if there is none."""
        return next(self.rows(statement, *values), None)

    @contextmanager
    def writing(self, refusal: str, hint: str | None = None) -> Iterator[sqlite3.Connection]:
        """Everything that is done inside is stored, or nothing is. ``refusal``: why a row that does not fit does not.

        Raises:
            SectorError: a row does not fit, or the file cannot be written (a full disk, another process that writes).
        """
        with self.turn, self._telling():
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
                self.db.execute("COMMIT")
            except sqlite3.IntegrityError:
                raise SectorError(f"sector {self.letter}: {refusal}; nothing was stored", hint) from None
            finally:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise SectorError(f"{self.path}: {error}", "check disk, permissions and who else uses it") from None

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
