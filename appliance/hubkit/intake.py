"""How people come into a sector's file, many at once, and how what is known of them is corrected.

All rows of a file are put into a table beside those of the sector first, so that what is new, changed or there twice is
known before anything counts. The table is gone when the transaction ends.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from appliance.hubkit.sectorfile import SectorFile
from appliance.matching.attributes import FourAttributes

TWICE, UNKNOWN = "twice", "unknown"
_STAGE = """CREATE TABLE staged (
    line INTEGER PRIMARY KEY, existing TEXT NOT NULL, name TEXT NOT NULL, address TEXT NOT NULL,
    birth_date TEXT NOT NULL, sex TEXT NOT NULL, kind TEXT NOT NULL DEFAULT 'new'
) STRICT"""
_ROW = "INSERT INTO staged (line, existing, name, address, birth_date, sex) VALUES (?, ?, ?, ?, ?, ?)"
_KINDS = (  # in this order: what is there twice is nothing else
    """UPDATE staged SET kind = 'same' FROM person WHERE staged.existing = person.existing""",
    """UPDATE staged SET kind = 'changed' FROM person WHERE staged.existing = person.existing
        AND (staged.name, staged.address, staged.birth_date, staged.sex)
            IS NOT (person.name, person.address, person.birth_date, person.sex)""",
    """UPDATE staged SET kind = 'twice' WHERE existing IN
        (SELECT existing FROM staged GROUP BY existing HAVING count(*) > 1)""",
)
_ENTER = "INSERT INTO person SELECT existing, name, address, birth_date, sex FROM staged WHERE kind = 'new'"
_CHANGE = (
    """INSERT INTO former (existing, name, address, birth_date, sex, until)
        SELECT existing, name, address, birth_date, sex, :now FROM person
        WHERE existing IN (SELECT existing FROM staged WHERE kind = 'changed')""",
    """UPDATE inquiry SET state = 'corrected', changed = :now
        WHERE state = 'open' AND existing IN (SELECT existing FROM staged WHERE kind = 'changed')""",
    "UPDATE asked SET stale = 1 WHERE existing IN (SELECT existing FROM staged WHERE kind = 'changed')",
    """UPDATE person SET name = staged.name, address = staged.address, birth_date = staged.birth_date, sex = staged.sex
        FROM staged WHERE staged.existing = person.existing AND kind = 'changed'""",
)


class Row(NamedTuple):
    """One person of a file; ``line`` counts from 1."""

    line: int
    existing: str
    attributes: FourAttributes

    def __repr__(self) -> str:
        return f"Row(line={self.line})"


@dataclass(frozen=True, slots=True)
class Taken:
    """What the rows of a file are, in numbers. ``changed`` people are stored with other attributes.

    ``left_out``: lines, each with `TWICE` (its existing number stands in several lines, none of which is taken) or, in
    a correction, `UNKNOWN` (nobody here).
    """

    new: int
    changed: int
    same: int
    left_out: tuple[tuple[int, str], ...]


Accept = Callable[[Taken], None]


class Intake:
    """Takes rows into one sector file.

    ``accept`` is called when it is known what the rows are and before anything counts: what it raises undoes all.
    """

    def __init__(self, file: SectorFile) -> None:
        self._file = file

    def load(self, rows: Iterable[Row], accept: Accept, *, update: bool = False) -> Taken:
        """Enter new people. Those known already stay as they are; with ``update``, changed ones are corrected.

        Raises:
            SectorError: the file cannot be written. Besides, what ``rows`` and ``accept`` raise.
        """
        return self._take(rows, accept, enter=True, change=update)

    def correct(self, rows: Iterable[Row], accept: Accept) -> Taken:
        """Correct people known already; new ones are not entered. An open inquiry is then to be asked again.

        Raises:
            SectorError: the file cannot be written. Besides, what ``rows`` and ``accept`` raise.
        """
        return self._take(rows, accept, enter=False, change=True)

    def _take(self, rows: Iterable[Row], accept: Accept, *, enter: bool, change: bool) -> Taken:
        with self._file.writing("a person does not fit") as db:
            db.execute(_STAGE)
            staged = ((row.line, row.existing, *_columns(row.attributes)) for row in rows)
            db.executemany(_ROW, staged)
            for statement in _KINDS:
                db.execute(statement)
            taken = _taken(db, enter)
            accept(taken)
            if change:
                for statement in _CHANGE:
                    db.execute(statement, {"now": self._file.now()} if ":now" in statement else {})
            if enter:
                db.execute(_ENTER)
            db.execute("DROP TABLE staged")
        return taken


def _columns(one: FourAttributes) -> tuple[str, str, str, str]:
    return one.name, one.address, one.birth_date, one.sex


def _taken(db: sqlite3.Connection, enter: bool) -> Taken:
    counts = dict(db.execute("SELECT kind, count(*) FROM staged GROUP BY kind").fetchall())
    left_out = db.execute(
        "SELECT line, iif(kind = 'new', 'unknown', kind) FROM staged WHERE kind = 'twice' OR (kind = 'new' AND ?)"
        " ORDER BY line",
        (not enter,),
    ).fetchall()
    new = counts.get("new", 0) if enter else 0
    return Taken(new, counts.get("changed", 0), counts.get("same", 0), tuple(left_out))
