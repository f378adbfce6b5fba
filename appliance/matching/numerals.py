"""Numbers as Japanese writes them: 二十三, 百二十, 一九八九, 〇."""

from __future__ import annotations

DIGITS = "〇一二三四五六七八九"
NUMERALS = DIGITS + "十百千"  # may stand in a character class of a regular expression
_DIGITS = {digit: number for number, digit in enumerate(DIGITS)}
_UNITS = {"十": 10, "百": 100, "千": 1000}


def value(text: str) -> int:
    """The number that kanji numerals say, by place (一九八九) or with units (千九百八十九).

    Raises:
        ValueError: other characters, or none.
    """
    if not text or any(letter not in NUMERALS for letter in text):
        raise ValueError("not a number in kanji")
    if all(letter in _DIGITS for letter in text):
        return int("".join(str(_DIGITS[letter]) for letter in text))
    total, digit = 0, 0
    for letter in text:
        if letter in _UNITS:
            total, digit = total + (digit or 1) * _UNITS[letter], 0
        else:
            digit = digit * 10 + _DIGITS[letter]
    return total + digit


def written(number: int) -> str:
    """A number below 100 in kanji, as in names of places: 24 is 二十四.

    Raises:
        ValueError: it is not from 1 to 99.
    """
    if not 1 <= number <= 99:
        raise ValueError("not from 1 to 99")
    tens, ones = divmod(number, 10)
    return (DIGITS[tens] if tens > 1 else "") + ("十" if tens else "") + (DIGITS[ones] if ones else "")
