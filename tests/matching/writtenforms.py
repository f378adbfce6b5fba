"""How a sector writes what the register has otherwise: from parts to the forms that clerks, forms and old systems use.

Tables and rules of this file's own: nothing here comes from what reads such forms, or it would prove nothing.
"""

from __future__ import annotations

import random
from datetime import date

from opencc import OpenCC

from tests.matching.livedplaces import Home

_OLD = OpenCC("jp2t")  # a third party's table of new letters and old
_OTHER_FORMS = {
    "高": "髙", "髙": "高", "崎": "﨑嵜", "﨑": "崎", "斎": "齋斉", "斉": "斎齊", "齋": "斎齊", "辺": "邊邉",
    "邊": "辺邉", "邉": "辺邊", "島": "嶋嶌", "嶋": "島", "浜": "濱濵", "濱": "浜", "沢": "澤", "澤": "沢",
    "広": "廣", "桜": "櫻", "富": "冨", "冨": "富", "吉": "𠮷", "柳": "栁", "桑": "桒", "橋": "𣘺", "国": "國",
    "関": "關", "真": "眞", "恵": "惠", "静": "靜", "竜": "龍", "滝": "瀧", "瀬": "瀨", "徳": "德", "黒": "黑",
    "栄": "榮", "秋": "穐", "寿": "壽", "弥": "彌", "昇": "曻", "峰": "峯", "亜": "亞", "翠": "翆", "杉": "杦",
    "之": "ノの", "ノ": "之の", "ツ": "つッ", "神": "神", "福": "福", "実": "實", "政": "政󠄀", "美": "羙", "喜": "㐂",
    "館": "舘", "角": "⻆",
}  # fmt: skip
_ERAS = (
    ("令和", "R", date(2019, 5, 1)),
    ("平成", "H", date(1989, 1, 8)),
    ("昭和", "S", date(1926, 12, 25)),
    ("大正", "T", date(1912, 7, 30)),
    ("明治", "M", date(1868, 10, 23)),
)
_HALF = str.maketrans(
    "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワンー",
    "ｱｲｳｴｵｶｷｸｹｺｻｼｽｾｿﾀﾁﾂﾃﾄﾅﾆﾇﾈﾉﾊﾋﾌﾍﾎﾏﾐﾑﾒﾓﾔﾕﾖﾗﾘﾙﾚﾛﾜﾝｰ",
)
_FULL = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}


def wide(text: str) -> str:
    """ASCII as full width."""
    return text.translate(_FULL)


def narrow(text: str) -> str:
    """Katakana as half width, as systems of one byte a letter had it."""
    return text.translate(_HALF)


def other_spaces(rng: random.Random, surname: str, given: str) -> str:
    """Without a space, with another, with too many."""
    return rng.choice((f"{surname}{given}", f"{surname} {given}", f"{surname}　　{given}", f" {surname}  {given} "))


def other_forms(rng: random.Random, text: str) -> str:
    """One letter in another form; the text itself if it has no such letter."""
    inside = range(1, len(text) - 1)  # where ノ stands for 之: 井ノ上, not 秀之
    places = [
        at for at, letter in enumerate(text) if letter in _OTHER_FORMS and (letter not in "之ノツ" or at in inside)
    ]
    if "佐々木" in text and rng.random() < 0.5:
        return text.replace("佐々木", "佐佐木")
    if not places:
        return text
    place = rng.choice(places)
    return text[:place] + rng.choice(_choices(_OTHER_FORMS[text[place]])) + text[place + 1 :]


def _choices(forms: str) -> list[str]:
    """Letters, each with the selector behind it."""
    found: list[str] = []
    for letter in forms:
        if 0xE0100 <= ord(letter) <= 0xE01EF:
            found[-1] += letter
        else:
            found.append(letter)
    return found


def old_letters(text: str) -> str:
    """In the letters of before 1946."""
    return str(_OLD.convert(text))


def other_kana(rng: random.Random, text: str) -> str:
    """Hiragana as katakana and the other way round, with a long mark for ウ at times."""
    turned = "".join(_turned(letter) for letter in text)
    return turned.replace("ユウ", "ユー").replace("ヨウ", "ヨー") if rng.random() < 0.3 else turned


def _turned(letter: str) -> str:
    if "ァ" <= letter <= "ヶ":
        return chr(ord(letter) - 0x60)
    return chr(ord(letter) + 0x60) if "ぁ" <= letter <= "ゖ" else letter


def by_era(born: date, rng: random.Random) -> str:
    """The date as forms and clerks write it, by era."""
    era, letter, first = next(one for one in _ERAS if born >= one[2])
    year = born.year - first.year + 1
    forms = (
        f"{era}{'元' if year == 1 else year}年{born.month}月{born.day}日",
        wide(f"{era}{year}年{born.month:02}月{born.day:02}日"),
        f"{letter}{year}.{born.month}.{born.day}",
        f"{letter.lower()}{year:02}{born.month:02}{born.day:02}",
        f"{era}{_kanji(year)}年{_kanji(born.month)}月{_kanji(born.day)}日",
        f"{born.year}/{born.month}/{born.day}",
        wide(f"{born.year}年{born.month}月{born.day}日"),
    )
    return rng.choice(forms)


def _kanji(number: int) -> str:
    ones = "　一二三四五六七八九"[number % 10].strip()
    tens = "　　二三四五六七八九"[number // 10].strip() if number >= 20 else ""
    return f"{tens}{'十' if number >= 10 else ''}{ones}"


def address(rng: random.Random, home: Home, *, without_house: bool = False) -> str:
    """The same home, written in another way."""
    place = rng.choice((home.prefecture, "")) + rng.choice((home.county, "")) + home.municipality
    place += ("大字" if home.aza and rng.random() < 0.5 else "") + _town(rng, home.town)
    lot = _numbered(rng, home) if home.numbered else _land(rng, home)
    return place + lot + ("" if without_house else _house(rng, home))


def _town(rng: random.Random, town: str) -> str:
    for form in ("ケ", "ヶ", "が"):
        if form in town[1:-1]:
            town = town.replace(form, rng.choice("ケヶがガ"))
    for form in ("ノ", "の"):
        if form in town[1:-1]:
            town = town.replace(form, rng.choice("ノの之"))
    return town.replace("一番町", rng.choice(("一番町", "1番町", "１番町"))).replace("沢", rng.choice("沢澤"))


def _numbered(rng: random.Random, home: Home) -> str:
    chome, first, second = home.chome, home.first, home.second
    return rng.choice((
        f"{chome}-{first}-{second}",
        wide(f"{chome}-{first}-{second}"),
        wide(f"{chome}").replace("-", "－") + f"丁目{wide(str(first))}番{wide(str(second))}号",
        f"{chome}丁目{first}-{second}",
        f"{_kanji(chome)}丁目{_kanji(first)}番{_kanji(second)}号",
        f"{chome}の{first}の{second}",
        f"{chome}丁目{first}番地{second}",
        f" {chome}丁目 {first}番 {second}号",
        f"{chome}−{first}−{second}",
        f"{chome}‐{first}‐{second}",
        f"{_kanji(chome)}ー{_kanji(first)}ー{_kanji(second)}",
    ))  # fmt: skip


def _land(rng: random.Random, home: Home) -> str:
    first, second = home.first, home.second
    if not second:
        return rng.choice((f"{first}番地", f"{first}", wide(f"{first}番地"), f"{first}番"))
    return rng.choice((
        f"{first}番地{second}", f"{first}番地の{second}", f"{first}-{second}", wide(f"{first}－{second}"),
        f"{first}の{second}", f"{first}番{second}",
    ))  # fmt: skip


def _house(rng: random.Random, home: Home) -> str:
    if not home.house:
        return ""
    return rng.choice((
        f" {home.house}{home.room}", f"　{home.house}　{wide(str(home.room))}号", f"{home.house}{home.room}号室",
        f"-{home.room}" if home.chome else f" {home.room}", f" {home.house} {home.room}号室", f" {home.room}号室",
        narrow(f" {home.house}{home.room}"),
    ))  # fmt: skip
