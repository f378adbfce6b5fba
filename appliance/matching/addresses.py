"""An address, read for comparing: prefecture, town, lot, building and room, whichever way each is written.

``東京都桜台市緑ケ丘一丁目２番３号 101号``, ``桜台市緑が丘1-2-3-101`` and ``桜台市緑ヶ丘1丁目2番地の3`` are one lot.
No list of places is consulted: what was merged or renamed differs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from appliance.matching import numerals, writing

PREFECTURES = (
    *(
        "北海道",
        "青森県",
        "岩手県",
        "宮城県",
        "秋田県",
        "山形県",
        "福島県",
        "茨城県",
        "栃木県",
        "群馬県",
        "埼玉県",
        "千葉県",
    ),
    *(
        "東京都",
        "神奈川県",
        "新潟県",
        "富山県",
        "石川県",
        "福井県",
        "山梨県",
        "長野県",
        "岐阜県",
        "静岡県",
        "愛知県",
        "三重県",
    ),
    *(
        "滋賀県",
        "京都府",
        "大阪府",
        "兵庫県",
        "奈良県",
        "和歌山県",
        "鳥取県",
        "島根県",
        "岡山県",
        "広島県",
        "山口県",
        "徳島県",
    ),
    *("香川県", "愛媛県", "高知県", "福岡県", "佐賀県", "長崎県", "熊本県", "大分県", "宮崎県", "鹿児島県", "沖縄県"),
)
_CODES = {name: code for code, name in enumerate(PREFECTURES, 1)}  # as JIS X 0401 numbers them

_KANJI = f"[{numerals.NUMERALS}]+"
_DASHES = "‐‑‒–—―−ー~-"
_DASH = re.compile(rf"(?<=[0-9])[{_DASHES}]+(?=[0-9a-z])")
_UPRIGHT = re.compile(rf"{_KANJI}(?:[{_DASHES}の]{_KANJI})+|[{numerals.DIGITS}]{{2,}}(?=$| )")  # 一ー二ー三, 二七八〇
_IN_A_NAME = re.compile(r"([0-9]{1,2})(?=番町|条|線|軒|区|地割)")  # 1番町 is 一番町: the name of a place, not a lot
_SERIES = re.compile(_KANJI)
_UNITS = "丁目|番地|番丁|番(?!町)|号(?![棟館])|丁(?=[0-9]|$)"
_COUNTED = re.compile(rf"({_KANJI})(?=丁目|番地|番(?!町)|号|丁{_KANJI})")
_FOLLOWING = re.compile(rf"(?<=[0-9の])(丁目|番地|番|丁)?(の?)({_KANJI})(?=[の号番]|$|[ 0-9-])")
_GAP = re.compile("(?<=丁目) (?=[0-9])|(?<=[番地]) (?=[0-9]{1,2}号(?!室))")  # 12番地 101号室 is a room
_LOT = re.compile(rf"[0-9]+(?:(?:{_UNITS}|[のノ之])*-?[0-9]+)*(?:{_UNITS})*(?:の(?=[0-9]))?")
_NUMBER = re.compile("[0-9]+")
_OAZA = re.compile("大字|(?<![文十名])字(?=[^0-9])")
_COUNTY = re.compile("^[^市区郡]{1,4}郡(?=[^市区郡]{1,6}[町村])")
_LODGING = re.compile("[^0-9]{1,12}方$")  # 山田様方: with whom somebody lodges
_ROOM = re.compile("([a-z]?[0-9]{1,5})(?:号室|号|室)?$")
_BELOW_CITY = re.compile(".[市区町村].")


@dataclass(frozen=True, slots=True)
class Address:
    """``prefecture`` is its number in JIS X 0401, 0 where none is said. Empty: not said. Left out of ``repr``.

    ``narrow``: the town is more than a municipality, so that few people live there.
    """

    plain: str = field(repr=False)
    prefecture: int = field(repr=False)
    town: str = field(repr=False)
    narrow: bool = field(repr=False)
    lot: str = field(repr=False)
    building: str = field(repr=False)
    room: str = field(repr=False)


def read(text: str) -> Address:
    """The address of one record. What is not understood becomes part of town or building; nothing is lost."""
    spaced = " ".join(writing.normal(text).split())
    counted = _numbers(spaced)
    found = _LOT.search(counted)
    before, lot, after = (counted, "", "") if found is None else _cut(counted, found)
    prefecture, town, narrow = _place(before.replace(" ", ""))
    numbers = [str(int(number)) for number in _NUMBER.findall(lot)]
    building, room = _house(after)
    if len(numbers) >= 4 and not room:  # 1-2-3-101
        room = numbers.pop()
    return Address(spaced.replace(" ", ""), prefecture, town, narrow, "-".join(numbers), building, room)


def _numbers(text: str) -> str:
    """Every number of a lot in digits, every number that is a place's name in kanji."""
    text = _UPRIGHT.sub(lambda found: "-".join(str(numerals.value(one)) for one in _SERIES.findall(found[0])), text)
    text = _IN_A_NAME.sub(_spelled, _DASH.sub("-", text))
    text = _COUNTED.sub(lambda found: str(numerals.value(found[1])), text)
    while (changed := _FOLLOWING.sub(_counted_on, text)) != text:
        text = changed
    return _GAP.sub("", text)


def _spelled(found: re.Match[str]) -> str:
    number = int(found[1])
    return numerals.written(number) if number else found[1]


def _counted_on(found: re.Match[str]) -> str:
    return f"{found[1] or ''}{found[2]}{numerals.value(found[3])}"


def _cut(text: str, found: re.Match[str]) -> tuple[str, str, str]:
    return text[: found.start()], found[0], text[found.end() :]


@lru_cache(maxsize=1 << 15)
def _place(text: str) -> tuple[int, str, bool]:
    """Prefecture, town in its folded form, and whether that is more than a municipality."""
    name = next((name for name in PREFECTURES if text.startswith(name)), "")
    text = _OAZA.sub("", _COUNTY.sub("", text.removeprefix(name)))
    return _CODES.get(name, 0), writing.folded(text), _BELOW_CITY.search(text) is not None


def _house(text: str) -> tuple[str, str]:
    """Building and room, from what follows the lot."""
    text = _LODGING.sub("", text.replace(" ", "").lstrip("-"))
    room = _ROOM.search(text)
    building = text if room is None else text[: room.start()]
    return _building(building), room[1].lstrip("0") if room else ""


_building = lru_cache(maxsize=1 << 12)(writing.folded)
