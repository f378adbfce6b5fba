"""What a sheet is made of: fields, tables and one block for each action. Plain text throughout; the page escapes it."""

from __future__ import annotations

from dataclasses import dataclass


class Code(str):
    """Text in fixed pitch, to be read letter by letter: a digest, an identifier, a name of the ledger."""

    __slots__ = ()


@dataclass(frozen=True)
class Field:
    """A label and what it says; a line break in it stays one."""

    label: str
    value: str


@dataclass(frozen=True)
class Table:
    """A table; an empty title gives none."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def unless_new(table: Table, before: object) -> Table:
    """Without the first column, which says what changes, where everything is new (``before`` None)."""
    if before is not None:
        return table
    return Table(table.title, table.headings[1:], tuple(row[1:] for row in table.rows))


@dataclass(frozen=True)
class Block:
    """One action. ``name`` is for people, ``word`` the plan's own; ``before``, ``after``: a key's state."""

    number: int
    name: str
    word: str
    subject: str
    meaning: str
    before: str = ""
    after: str = ""
    fields: tuple[Field, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Result:
    """What came of an action. ``remarks``: paragraphs below its fields and tables."""

    duration: str
    fields: tuple[Field, ...] = ()
    tables: tuple[Table, ...] = ()
    remarks: tuple[str, ...] = ()
