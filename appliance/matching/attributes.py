"""The four attributes (4情報) that identify a person to the register: what each must be, whoever wrote it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date

SEXES = ("男", "女")
LONGEST_FIELD = 200  # characters
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


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


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
