"""Whose card it is: a small SQLite file that the resident register's side makes anew and puts in the old one's place.

It holds numbers and names, so nobody but its owner and group may read it. The portal opens it to read, and opens it
again when another file has that name. Nothing of it is kept in memory.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
import threading
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.durable import sync_folder
from appliance.ledger.errors import LedgerError
from appliance.ledger.text import require_line
from appliance.numbers.formats import DECIMAL, Format, MalformedNumber
from appliance.portal.signin.cardid import CardId
from appliance.portal.signin.reasons import CardRefused, Reason, SignInUnusable

APPLICATION_ID = 0x4B4D4831  # "KMH1": PRAGMA application_id, and with it the layout
COMMON = Format(DECIMAL, 11, "individual-number")
_TABLE = """
CREATE TABLE holder (
  issuer TEXT NOT NULL, serial TEXT NOT NULL, common TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (issuer, serial)
) STRICT, WITHOUT ROWID
"""
_FIND = "SELECT common, name FROM holder WHERE issuer = ? AND serial = ?"


@dataclass(frozen=True, slots=True)
class Holder:
    """The person a card belongs to: their common number and their name."""

    common: str = field(repr=False)
    name: str = field(repr=False)


class Holders:
    """The file, opened to read; any thread may ask.

    Raises:
        SignInUnusable: it is missing, open to everybody, or not a file of holders.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._opened: tuple[int, ...] = ()
        self._connection: sqlite3.Connection | None = None
        with self._lock:
            self._open_again()

    def of(self, card: CardId) -> Holder:
        """Who holds the card.

        Raises:
            CardRefused: nobody is registered for it.
            SignInUnusable: the file cannot be read, or holds what no number or name can be.
        """
        with self._lock:
            try:
                row = self._open_again().execute(_FIND, (card.issuer, card.serial)).fetchone()
            except sqlite3.Error as error:
                raise self._unusable(f"cannot be read ({error})") from None
        if row is None:
            raise CardRefused(Reason.UNKNOWN_HOLDER)
        holder = Holder(*row)
        if not is_possible(holder):
            raise self._unusable("a row in it is not of a person")
        return holder

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection, self._opened = None, ()

    def _open_again(self) -> sqlite3.Connection:
        """The connection to the file that has the name now."""
        status = self._look()
        seen = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
        if self._connection is None or seen != self._opened:
            connection = self._connect()
            if self._connection is not None:
                self._connection.close()
            self._connection, self._opened = connection, seen
        return self._connection

    def _look(self) -> os.stat_result:
        try:
            status = self._path.stat()
        except OSError as error:
            raise self._unusable(str(error.strerror)) from None
        if not stat.S_ISREG(status.st_mode):
            raise self._unusable("not a regular file")
        if status.st_mode & stat.S_IRWXO:
            raise self._unusable("everybody may read or write it", f"chmod o= {self._path}")
        return status

    def _connect(self) -> sqlite3.Connection:
        connection = None
        try:
            address = f"{self._path.absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(address, uri=True, check_same_thread=False, isolation_level=None)
            connection.execute("PRAGMA trusted_schema = OFF")
            (layout,) = connection.execute("PRAGMA application_id").fetchone()
            connection.execute(_FIND, ("", "")).fetchone()
        except sqlite3.Error as error:
            layout, why = None, str(error)
        else:
            why = "made by something else"
        if layout == APPLICATION_ID and connection is not None:
            return connection
        if connection is not None:
            connection.close()
        raise self._unusable(f"not a file of card holders ({why})")

    def _unusable(self, what: str, hint: str | None = None) -> SignInUnusable:
        return SignInUnusable(f"card holders {self._path}: {what}", hint or "bring the register's newest file here")


def write_holders(path: Path, rows: Iterable[tuple[CardId, Holder]], mode: int = 0o600) -> int:
    """Make the file anew, whole and durable, in the place of the old one; how many cards are in it.

    Raises:
        SignInUnusable: a card is there twice, or a row cannot be (the message tells which, not what is in it).
        OSError: it cannot be written; the old one is untouched.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
            count = _fill(connection, path, rows)
        descriptor = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fchmod(descriptor, mode & 0o660)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink()
    return count


def _fill(connection: sqlite3.Connection, path: Path, rows: Iterable[tuple[CardId, Holder]]) -> int:
    connection.execute("PRAGMA journal_mode = OFF")  # a file of its own, that has no name yet
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(_TABLE)
    connection.execute("BEGIN")
    count = 0
    for count, (card, holder) in enumerate(rows, 1):
        if not is_possible(holder):
            raise SignInUnusable(f"card holders {path}: row {count} is not of a person", "correct the register's list")
        row: tuple[Any, ...] = (card.issuer, card.serial, holder.common, holder.name)
        try:
            connection.execute("INSERT INTO holder VALUES (?, ?, ?, ?)", row)
        except sqlite3.IntegrityError:
            raise SignInUnusable(
                f"card holders {path}: the card of row {count} is there twice", "a card belongs to one person"
            ) from None
    connection.execute("COMMIT")
    return count


def is_possible(holder: Holder) -> bool:
    """Whether the number is a common number and the name one line of text."""
    try:
        require_line("name", holder.name)
        COMMON.parse(holder.common)
    except (LedgerError, MalformedNumber):
        return False
    return True
