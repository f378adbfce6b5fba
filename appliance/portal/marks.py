"""Which entries somebody has marked as not recognised, so that the portal can show it to them again.

The mark itself is a record of the appliance's log. Here only a keyed hash of the person's number stands beside the two
record numbers (HMAC-SHA-256, RFC 2104; the key is the file's own), so that the file tells nobody's marks by itself
to anyone who does not also hold the numbers.
"""

from __future__ import annotations

import hmac
import os
import secrets
import sqlite3
import stat
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from appliance.errors import KagimoriError
from appliance.ledger.text import render_instant

APPLICATION_ID = 0x4B4D4D31  # "KMM1": PRAGMA application_id, and with it the layout
_TABLES = f"""
PRAGMA application_id = {APPLICATION_ID};
CREATE TABLE IF NOT EXISTS secret (only INTEGER PRIMARY KEY CHECK (only = 1), key BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS mark (
  person BLOB NOT NULL, record INTEGER NOT NULL, marked INTEGER NOT NULL, time TEXT NOT NULL,
  PRIMARY KEY (person, record)
) STRICT, WITHOUT ROWID;
"""


class MarksUnusable(KagimoriError):
    """The file cannot be used; the message names it."""

    exit_code: ClassVar[int] = 3


@dataclass(frozen=True, slots=True)
class Mark:
    """``marked``: number of the record that says so; ``time``: when, as the log writes times."""

    marked: int
    time: str


class Marks:
    """The file; any thread may ask. It is made if it is not there.

    Raises:
        MarksUnusable: it cannot be opened, others may read it, or it is something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            self._claim()
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._key = self._prepare()
        except (OSError, sqlite3.Error) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise self._unusable(str(why)) from None

    def remember(self, number: str, record: int, marked: int, moment: datetime) -> None:
        """A person with this number has marked a record; the first time stays.

        Raises:
            MarksUnusable: it could not be written.
        """
        row = (self._person(number), record, marked, render_instant(moment))
        with self._lock:
            try:
                self._connection.execute("INSERT OR IGNORE INTO mark VALUES (?, ?, ?, ?)", row)
            except sqlite3.Error as error:
                raise self._unusable(str(error)) from None

    def of(self, number: str, records: Iterable[int]) -> Mapping[int, Mark]:
        """The person's marks among these records.

        Raises:
            MarksUnusable: it could not be read.
        """
        wanted, person = set(records), self._person(number)
        with self._lock:
            try:
                rows = self._connection.execute("SELECT record, marked, time FROM mark WHERE person = ?", (person,))
                return {record: Mark(marked, time) for record, marked, time in rows if record in wanted}
            except sqlite3.Error as error:
                raise self._unusable(str(error)) from None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _claim(self) -> None:
        """Make the file, its owner's alone; or see that it is."""
        with suppress(FileExistsError):
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        status = self._path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
            raise self._unusable("not a file of its owner's alone", f"chmod 600 {self._path}")

    def _prepare(self) -> bytes:
        found = self._connection.execute("PRAGMA application_id").fetchone()[0]
        if found not in (0, APPLICATION_ID) or (not found and self._path.stat().st_size):
            raise self._unusable("not a file of marks", "name another file, or one that is not there yet")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_TABLES)
        self._connection.execute("INSERT OR IGNORE INTO secret VALUES (1, ?)", (secrets.token_bytes(32),))
        return bytes(self._connection.execute("SELECT key FROM secret").fetchone()[0])

    def _person(self, number: str) -> bytes:
        return hmac.digest(self._key, number.encode(), "sha256")

    def _unusable(self, what: str, hint: str = "check path, permissions and disk space") -> MarksUnusable:
        return MarksUnusable(f"marks {self._path}: {what}", hint)
