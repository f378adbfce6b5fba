"""One form for the many ways of writing the same text: width, spaces, kanji forms, kana, 々, ヶ and ノ.

`plain` unites what only typing makes different. `folded` unites what one name or place is written with as well: two
texts with one folded form can be the same name, and only a comparison of everything else says that they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from importlib import resources

_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")  # which glyph of a kanji: never another kanji
_KANJI = "\u2e80-\u2fdf\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # radicals, too
_KA = re.compile(f"(?<=[{_KANJI}])[ヶヵケガがゖゕ箇](?=[{_KANJI}])")
_NO = re.compile(f"(?<=[{_KANJI}])[ノの](?=[{_KANJI}])")
_AGAIN = re.compile("(.)[々〻ゝヽゞヾ]")
_LONG = re.compile("([ァ-ヺ])([ーオエ])")
_PUNCTUATION = re.compile("[\\s・·,.、。'’‘`\"”“=゠\\-‐‑‒–—―−~〜&/]")
_ROWS = {"ア": "アカガサザタダナハバパマヤラワ", "イ": "イキギシジチニヒビピミリ", "ウ": "ウクグスズツヌフブプムユルヴ"}
_ROWS |= {"エ": "エケゲセゼテデネヘベペメレ", "オ": "オコゴソゾトドノホボポモヨロ"}
_VOWELS = {kana: vowel for vowel, row in _ROWS.items() for kana in row}
_LENGTHENED = {"オ": "ウ", "エ": "イ"}  # ヨー, ヨオ and ヨウ; ケー, ケエ and ケイ
_OLD_KANA = dict(zip("ァィゥェォッャュョヮヵヶヂヅヰヱヲ", "アイウエオツヤユヨワカケジズイエオ", strict=True))


@cache
def classes() -> tuple[str, ...]:
    """The classes of kanji that one name may be written with; the first of each is its form in folded texts."""
    lines = resources.files(__package__).joinpath("kanji.txt").read_text("utf-8").splitlines()
    return tuple(letters for line in lines if not line.startswith("#") for letters in line.split())


@cache
def _table() -> dict[int, str]:
    """Kanji to the first of their class, hiragana to katakana, small, voiced and old kana to the common ones."""
    kanji = {ord(other): letters[0] for letters in classes() for other in letters[1:]}
    hiragana = {code: _OLD_KANA.get(chr(code + 0x60), chr(code + 0x60)) for code in range(0x3041, 0x3097)}
    return kanji | hiragana | {ord(old): new for old, new in _OLD_KANA.items()}


def plain(text: str) -> str:
    """Full and half width, spaces, capitals and the choice of a glyph do not count."""
    return "".join(normal(text).split())


def normal(text: str) -> str:
    """As `plain`, with the spaces left, each as U+0020."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return text if text.isascii() else _SELECTORS.sub("", unicodedata.normalize("NFKC", text))


def folded(text: str) -> str:
    """What all ways of writing one name have in common; idempotent. Marks and spaces are left out."""
    text = _PUNCTUATION.sub("", normal(text))
    text = _until_still(_AGAIN, r"\1\1", text)
    text = _NO.sub("之", _KA.sub("ケ", text))
    return _until_still(_LONG, _lengthened, text.translate(_table()))


def _until_still(pattern: re.Pattern[str], by: str | Callable[[re.Match[str]], str], text: str) -> str:
    while (changed := pattern.sub(by, text)) != text:
        text = changed
    return text


def _lengthened(found: re.Match[str]) -> str:
    kana, mark = found.groups()
    vowel = _VOWELS.get(kana, "")
    if mark == "ー":
        return kana + _LENGTHENED.get(vowel, vowel)
    return kana + (_LENGTHENED[vowel] if mark == vowel else mark)
