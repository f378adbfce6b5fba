"""Birth dates as they are written, western and by era (元号), to ISO 8601; a date that never was is refused.

An era date must lie in its era: 昭和65年 is refused, not taken for 平成2年. Before 明治6年 (1873) Japan reckoned by
another calendar, so era dates of that time are refused as well.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date

from appliance.matching import numerals
from appliance.matching.attributes import AttributesRefused

LONGEST = 40  # characters


@dataclass(frozen=True, slots=True)
class Era:
    """An era: the days that its dates may name, and the year before its first (added to a year of the era)."""

    name: str
    letter: str
    zero: int
    first: date
    last: date


# The day on which an era changed belonged to both until 1926; 平成 and 令和 began at midnight.
ERAS = (
    Era("明治", "m", 1867, date(1873, 1, 1), date(1912, 7, 30)),
    Era("大正", "t", 1911, date(1912, 7, 30), date(1926, 12, 25)),
    Era("昭和", "s", 1925, date(1926, 12, 25), date(1989, 1, 7)),
    Era("平成", "h", 1988, date(1989, 1, 8), date(2019, 4, 30)),
    Era("令和", "r", 2018, date(2019, 5, 1), date.max),
)
_BY_SIGN = {sign: era for era in ERAS for sign in (era.name, era.name[0], era.letter)}

_N = rf"(?:[0-9]+|[{numerals.NUMERALS}]+)"
_ERA = "|".join(sorted(_BY_SIGN, key=len, reverse=True))
_MARKED = rf"(?P<year>元|{_N})年(?P<month>{_N})月(?P<day>{_N})日?"
_PLAIN = r"(?P<year>元|[0-9]+)(?P<mark>[-/.])(?P<month>[0-9]+)(?P=mark)(?P<day>[0-9]+)"
_WRITTEN = tuple(
    re.compile(rf"(?P<era>{_ERA})?(?:{form})", re.ASCII)
    for form in (_MARKED, _PLAIN, r"(?P<year>[0-9]{2}|[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})")
)
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−ー", "-") | {"零": "〇", "○": "〇"})


def birth_date(text: str) -> str:
    """The date as ``1989-01-07``, from 昭和64年1月7日, S64.1.7, s640107, 1989/1/7, １９８９年１月７日, 19890107, ….

    Raises:
        AttributesRefused: it cannot be read, names no day there was, or lies outside its era.
    """
    plain = "".join(unicodedata.normalize("NFKC", text[: LONGEST + 1]).split()).casefold().translate(_DASHES)
    found = next((match for form in _WRITTEN if (match := form.fullmatch(plain))), None)
    if found is None or len(text) > LONGEST:
        raise AttributesRefused("birth_date must be a date such as 1989-01-07, 昭和64年1月7日 or S64.1.7")
    era = _BY_SIGN[found["era"]] if found["era"] else None
    year, month, day = (_number(found[part]) for part in ("year", "month", "day"))
    return _day(era, year, month, day).isoformat()


def _number(text: str) -> int:
    if text == "元":
        return 1
    return int(text) if text.isdecimal() else numerals.value(text)


def _day(era: Era | None, year: int, month: int, day: int) -> date:
    if era is None and not 1000 <= year <= 9999:
        raise AttributesRefused("birth_date has a year of neither four digits nor an era")
    try:
        born = date((era.zero if era else 0) + year, month, day)
    except (ValueError, OverflowError):
        raise AttributesRefused("birth_date names a day that does not exist") from None
    if era is not None and not era.first <= born <= era.last:
        raise AttributesRefused("birth_date lies outside the era that it names")
    return born
