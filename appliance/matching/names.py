"""A name, read for comparing: as it was typed, in its folded form, and its two parts where a space tells them apart."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from appliance.matching import writing

_FORMER = re.compile(r"[(\[〔【][^)\]〕】]*[)\]〕】]")  # 佐藤（田中）花子: a former surname, recorded beside
_EASTERN = re.compile("[\u2e80-\u2fdf\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


@dataclass(frozen=True, slots=True)
class Name:
    """``surname`` and ``given`` are folded, and empty where nothing tells one from the other. Left out of ``repr``."""

    plain: str = field(repr=False)
    folded: str = field(repr=False)
    surname: str = field(repr=False)
    given: str = field(repr=False)


def read(text: str) -> Name:
    """The name of one record. A name without kanji and kana has no order: JOHN SMITH is Smith, John."""
    normal = _FORMER.sub("", writing.normal(text)).strip() or writing.normal(text)
    parts = [part for part in map(_part, normal.split()) if part]
    plain = "".join(normal.split())
    if not _EASTERN.search(normal):
        return Name(plain, "".join(sorted(parts)), "", "")
    whole = parts[0] if len(parts) == 1 else writing.folded(plain)
    surname, given = parts if len(parts) == 2 else ("", "")
    return Name(plain, whole, surname, given)


_part = lru_cache(maxsize=1 << 15)(writing.folded)  # a register has few surnames and given names, and repeats them
