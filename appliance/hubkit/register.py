"""The resident register (住基ネット): each resident's code and four attributes, read from a CSV file.

Reading is strict and streaming: UTF-8, one resident a line, exactly the columns of `COLUMNS`. An error
names the line and the rule, never what stood there. Register files are the register's own business;
the hub has none.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from appliance.errors import KagimoriError
from appliance.hubkit import csvlines
from appliance.hubkit.csvlines import LineRefused
from appliance.matching.attributes import LONGEST_FIELD, SEXES, AttributesRefused, FourAttributes
from appliance.numbers.domains import default_domains
from appliance.numbers.formats import Format, MalformedNumber

__all__ = [
    "COLUMNS",
    "FIRST_LINE",
    "LONGEST_FIELD",
    "RESIDENT_CODE",
    "SEXES",
    "AttributesRefused",
    "FourAttributes",
    "RegisterError",
    "Resident",
    "parse",
    "read",
    "write",
]

COLUMNS = ("resident_code", "name", "address", "birth_date", "sex")
FIRST_LINE = 2  # of the file, that a resident stands in
RESIDENT_CODE = default_domains()[0].format


class RegisterError(KagimoriError):
    """A register file that does not keep the rules. ``line`` counts from 1, the header included."""

    def __init__(self, line: int, rule: str, hint: str | None = None) -> None:
        super().__init__(f"register, line {line}: {rule}", hint)
        self.line = line


@dataclass(frozen=True, slots=True)
class Resident:
    """One line of the register."""

    code: str = field(repr=False)
    attributes: FourAttributes


def read(path: Path, code_format: Format = RESIDENT_CODE) -> Iterator[Resident]:
    """The residents of a CSV file, in its order, in constant memory.

    Raises:
        RegisterError: while iterating, at the first line that breaks a rule. OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        yield from parse(file, code_format)


def parse(file: BinaryIO, code_format: Format = RESIDENT_CODE) -> Iterator[Resident]:
    """As `read`, from an open binary file."""
    number = 0
    for number, row in enumerate(_rows(file), 1):
        if number > 1:
            yield _resident(number, row, code_format)
        elif tuple(row) != COLUMNS:
            raise RegisterError(1, f"the header must be {','.join(COLUMNS)}")
    if number == 0:
        raise RegisterError(1, "the file is empty", f"its first line must be {','.join(COLUMNS)}")


def _rows(file: BinaryIO) -> Iterator[list[str]]:
    for number, line in csvlines.lines(file):
        try:
            if isinstance(line, LineRefused):
                raise line
            yield csvlines.fields(line)
        except LineRefused as refused:
            raise RegisterError(number, str(refused), refused.hint) from None


def _resident(number: int, row: list[str], code_format: Format) -> Resident:
    if len(row) != len(COLUMNS):
        raise RegisterError(number, f"must have {len(COLUMNS)} fields, has {len(row)}")
    code, *attributes = row
    try:
        code_format.parse(code)
        return Resident(code, FourAttributes(*attributes))
    except MalformedNumber as error:
        raise RegisterError(number, f"resident_code {error}") from None
    except AttributesRefused as error:
        raise RegisterError(number, str(error)) from None


def write(path: Path, residents: Iterable[Resident]) -> int:
    """Write a new register file (mode 0600); the number of residents.

    Raises:
        FileExistsError: nothing is overwritten.
    """
    path.touch(mode=0o600, exist_ok=False)
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for resident in residents:
            one = resident.attributes
            count += 1
            writer.writerow((resident.code, one.name, one.address, one.birth_date, one.sex))
    return count
