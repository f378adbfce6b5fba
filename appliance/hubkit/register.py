"""The resident register (住基ネット): each resident's code and four attributes, read from a CSV file.

Reading is strict and streaming: UTF-8, one resident a line, exactly the columns of `COLUMNS`. An error
names the line and the rule, never what stood there. Register files are the register's own business;
the hub has none.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import BinaryIO

from appliance.errors import KagimoriError
from appliance.numbers.domains import default_domains
from appliance.numbers.formats import Format, MalformedNumber

COLUMNS = ("resident_code", "name", "address", "birth_date", "sex")
SEXES = ("男", "女")
LONGEST_FIELD = 200  # characters
LONGEST_LINE = 4096  # bytes
RESIDENT_CODE = default_domains()[0].format
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class RegisterError(KagimoriError):
    """A register file that does not keep the rules. ``line`` counts from 1, the header included."""

    def __init__(self, line: int, rule: str, hint: str | None = None) -> None:
        super().__init__(f"register, line {line}: {rule}", hint)
        self.line = line


class AttributesRefused(ValueError):
    """An attribute that cannot be; the message names the column and the rule."""


@dataclass(frozen=True, slots=True)
class FourAttributes:
    """The four attributes (4情報) that identify a person to the register. Left out of ``repr``.

    ``birth_date`` is ISO 8601 (``1970-01-31``), ``sex`` one of `SEXES`.

    Raises:
        AttributesRefused: an empty or overlong text, a control character, no such date, no such sex.
    """

    name: str = field(repr=False)
    address: str = field(repr=False)
    birth_date: str = field(repr=False)
    sex: str = field(repr=False)

    def __post_init__(self) -> None:
        for column, text in (("name", self.name), ("address", self.address)):
            if not text.strip() or len(text) > LONGEST_FIELD:
                raise AttributesRefused(f"{column} must have 1 to {LONGEST_FIELD} characters")
            if not text.replace("\u3000", " ").isprintable():
                raise AttributesRefused(f"{column} contains a control character")
        if _DATE.fullmatch(self.birth_date) is None or not _is_date(self.birth_date):
            raise AttributesRefused("birth_date must be a date such as 1970-01-31")
        if self.sex not in SEXES:
            raise AttributesRefused(f"sex must be one of {', '.join(SEXES)}")


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
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise RegisterError(number, f"longer than {LONGEST_LINE} bytes")
        yield _fields(number, line)


def _fields(number: int, line: bytes) -> list[str]:
    """One line is parsed by itself, so that an open quote cannot swallow the lines after it."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise RegisterError(number, "not UTF-8", "convert the file, for example with iconv -f CP932 -t UTF-8") from None
    if text.startswith("\ufeff"):
        raise RegisterError(number, "begins with a byte order mark", "save the file as UTF-8 without BOM")
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error:
        raise RegisterError(
            number, "not CSV: an open quote, text after a closing quote, or a stray carriage return"
        ) from None


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


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


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
