"""A sector's own file of people (CSV), read line by line: what can be taken, what cannot, and why.

Dates may be of Japanese eras, and the sex may be written as many systems store it; what was written otherwise than the
sector file has it is counted, so that nobody is surprised by it.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from typing import BinaryIO

from appliance.hubkit import csvlines
from appliance.hubkit.csvlines import LineRefused
from appliance.hubkit.intake import Row
from appliance.linking.errors import FileRefused
from appliance.linking.sealed import EXISTING
from appliance.matching import dates
from appliance.matching.attributes import AttributesRefused, FourAttributes

COLUMNS = ("existing", "name", "address", "birth_date", "sex")
SEXES = {"男": "男", "女": "女", "M": "男", "F": "女", "1": "男", "2": "女"}
_BOM = b"\xef\xbb\xbf"


class People:
    """The rows of a file. ``rejects`` are lines that could not be taken, with the rule that each breaks.

    ``otherwise`` counts birth dates and sexes that were written in another way than `FourAttributes` has them.
    """

    def __init__(self, name: str, file: BinaryIO, encoding: str = "utf-8") -> None:
        self.rejects: list[tuple[int, str]] = []
        self.otherwise: Counter[str] = Counter()
        self.lines = 0
        self._name = name
        self._file = file
        self._encoding = encoding

    def rows(self, progress: Callable[[int], None]) -> Iterator[Row]:
        """Every row that can be taken; ``progress`` is told the lines read.

        Raises:
            FileRefused: the file is empty, or its header is another one.
        """
        for number, line in csvlines.lines(self._file):
            try:
                fields = self._fields(number, line)
                if number > 1:
                    yield self._row(number, fields)
                    progress(number)
            except (LineRefused, AttributesRefused) as refused:
                if number == 1:
                    raise FileRefused(f"{self._name}, line 1: {refused}", _HEADER) from None
                self.rejects.append((number, str(refused)))
            self.lines = number
        if self.lines == 0:
            raise FileRefused(f"{self._name}: is empty", _HEADER)

    def _fields(self, number: int, line: bytes | LineRefused) -> list[str]:
        if isinstance(line, LineRefused):
            raise line
        fields = csvlines.fields(line.removeprefix(_BOM) if number == 1 else line, self._encoding)
        if number == 1 and tuple(fields) != COLUMNS:
            raise LineRefused(f"the header must be {','.join(COLUMNS)}")
        return fields

    def _row(self, number: int, fields: list[str]) -> Row:
        if len(fields) != len(COLUMNS):
            raise LineRefused(f"must have {len(COLUMNS)} fields, has {len(fields)}")
        existing, *attributes = fields
        if EXISTING.fullmatch(existing) is None:
            raise LineRefused("existing must be letters and digits, in between also . / - _; at most 64")
        known = attributes_of(*attributes)
        kept = {"birth_date": known.birth_date, "sex": known.sex}
        self.otherwise.update(
            column for column, text in zip(COLUMNS, fields, strict=True) if text != kept.get(column, text)
        )
        return Row(number, existing, known)


_HEADER = f"its first line must be {','.join(COLUMNS)}"


def _born(text: str) -> str:
    born = dates.birth_date(text)
    if born > date.today().isoformat():  # the day as the clerk has it
        raise AttributesRefused("birth_date lies in the future")
    return born


def attributes_of(name: str, address: str, birth_date: str, sex: str) -> FourAttributes:
    """The attributes, however date and sex are written (`appliance.matching.dates`, `SEXES`).

    Raises:
        AttributesRefused: one of them cannot be; the message names the column and the rule.
    """
    known = SEXES.get(unicodedata.normalize("NFKC", sex).strip().upper())
    if known is None:
        raise AttributesRefused(f"sex must be one of {', '.join(SEXES)}")
    return FourAttributes(name.strip(), address.strip(), _born(birth_date), known)
