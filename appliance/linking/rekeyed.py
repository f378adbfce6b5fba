"""``appliance sector rekey``: a table of numbers that came out of a re-keying, taken into the sector file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from appliance.hubkit import csvlines, rekeying
from appliance.hubkit.csvlines import LineRefused
from appliance.hubkit.sectorfile import SectorFile
from appliance.linking import files
from appliance.linking.errors import FileRefused
from appliance.linking.showing import LINKS


class Rekeyed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    sector: str
    numbers: int
    before: str
    generation: str


def take(sector: SectorFile, table: Path, generation: str) -> Rekeyed:
    """Replace every number of the sector by that of the table, which is of ``generation``; all or nothing.

    The table's own column ``generation`` says which one the numbers were of when they were exported: re-keying leaves
    every column but the number's as it was.

    Raises:
        FileRefused: a line breaks a rule. FileUnusable: the table cannot be read.
        SectorError: it is not about exactly the sector's numbers. Nothing was stored.
    """
    rows = list(_rows(table))
    generations = {row[2] for row in rows}
    if len(generations) != 1:
        raise FileRefused(f"{table}: is about {len(generations)} key generations, and must be about one")
    (before,) = generations
    count = rekeying.take(sector, before, generation, ((existing, number) for existing, number, _ in rows))
    return Rekeyed(sector=sector.letter, numbers=count, before=before, generation=generation)


def _rows(table: Path) -> Iterator[list[str]]:
    with files.opened(table) as file:
        for number, line in csvlines.lines(file):
            try:
                yield from _checked(number, line)
            except LineRefused as refused:
                raise FileRefused(f"{table}, line {number}: {refused}; nothing was stored", refused.hint) from None


def _checked(number: int, line: bytes | LineRefused) -> Iterator[list[str]]:
    """The line's fields; none of the header."""
    if isinstance(line, LineRefused):
        raise line
    fields = csvlines.fields(line)
    if number == 1 and tuple(fields) != LINKS:
        raise LineRefused(f"the header must be {','.join(LINKS)}")
    if len(fields) != len(LINKS) or not all(fields):
        raise LineRefused(f"must have {len(LINKS)} fields, none of them empty")
    if number > 1:
        yield fields


def text(one: Rekeyed) -> str:
    """The same for people."""
    return f"sector {one.sector}: {one.numbers:,} numbers of {one.before} are now of {one.generation}"
