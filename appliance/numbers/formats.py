"""What a number looks like: an alphabet, a length and an optional check digit.

A format maps text to an integer in ``[0, radix**length)`` and back. FF1 works on the two
halves of that integer (NIST SP 800-38G splits ``n`` digits into ``u = n // 2`` left ones and
``v = n - u`` right ones); `Format.split` and `Format.join` go between the two views.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from appliance.numbers.checkdigits import CHECK_RULES

DECIMAL = "0123456789"
BASE36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MAXIMUM_LENGTH = 128  # far beyond any number that people use; bounds what a ledger can make an engine compute


class MalformedNumber(ValueError):
    """The text is not a number of the format: wrong length, alphabet or check digit."""


class FormatError(ValueError):
    """The format itself is impossible."""


@dataclass(frozen=True)
class Format:
    """Alphabet (one ASCII character a digit value), number of digits, check-digit rule.

    Raises:
        FormatError: duplicate or non-printable characters, fewer than two of them, a length
            below 2 or above 128, an unknown check rule, or one that does not fit alphabet and length.
    """

    alphabet: str
    length: int
    check: str = "none"

    def __post_init__(self) -> None:
        letters = self.alphabet
        if len(letters) < 2 or len(set(letters)) != len(letters):
            raise FormatError("alphabet: needs at least two characters, each one once")
        if not all("!" < letter <= "~" for letter in letters):
            raise FormatError("alphabet: only printable ASCII, without space and '!'")
        if not 2 <= self.length <= MAXIMUM_LENGTH:
            raise FormatError(f"length: 2 to {MAXIMUM_LENGTH} digits, not {self.length}")
        if self.check not in CHECK_RULES:
            raise FormatError(f"check: unknown rule {self.check!r}; known: {', '.join(CHECK_RULES)}")
        rule = CHECK_RULES[self.check]
        if rule is not None and (letters, self.length) != (DECIMAL, rule.digits):
            raise FormatError(f"check: {self.check} needs exactly {rule.digits} decimal digits")

    @cached_property
    def radix(self) -> int:
        """Number of characters in the alphabet."""
        return len(self.alphabet)

    @cached_property
    def size(self) -> int:
        """How many numbers there are, the check digit not counted."""
        return int(self.radix**self.length)

    @cached_property
    def text_length(self) -> int:
        """Characters of the written number, the check digit included."""
        return self.length + (CHECK_RULES[self.check] is not None)

    @cached_property
    def left_size(self) -> int:
        """``radix**u``: the values of the left half."""
        return int(self.radix ** (self.length // 2))

    @cached_property
    def right_size(self) -> int:
        """``radix**v``: the values of the right half."""
        return int(self.radix ** (self.length - self.length // 2))

    def split(self, value: int) -> tuple[int, int]:
        """Integer to FF1's left and right halves."""
        return divmod(value, self.right_size)

    def join(self, left: int, right: int) -> int:
        """FF1's left and right halves to the integer."""
        return left * self.right_size + right

    @cached_property
    def _digit_values(self) -> dict[str, int]:
        return {letter: value for value, letter in enumerate(self.alphabet)}

    def parse(self, text: str) -> int:
        """The integer a written number stands for.

        Raises:
            MalformedNumber: wrong length, a character outside the alphabet, wrong check digit.
        """
        if len(text) != self.text_length:
            raise MalformedNumber(f"needs {self.text_length} characters, has {len(text)}")
        value, radix, digits = 0, self.radix, self._digit_values
        try:
            for letter in text[: self.length]:
                value = value * radix + digits[letter]
        except KeyError:
            raise MalformedNumber("has a character outside the alphabet") from None
        rule = CHECK_RULES[self.check]
        if rule is not None and text[self.length :] != rule.compute(text[: self.length]):
            raise MalformedNumber("its check digit is wrong")
        return value

    def render(self, value: int) -> str:
        """The written number of an integer in ``[0, size)``.

        Raises:
            ValueError: the integer is outside the format.
        """
        if not 0 <= value < self.size:
            raise ValueError("the integer does not fit the format")
        letters, radix, alphabet = [], self.radix, self.alphabet
        for _ in range(self.length):
            value, digit = divmod(value, radix)
            letters.append(alphabet[digit])
        text = "".join(reversed(letters))
        rule = CHECK_RULES[self.check]
        return text if rule is None else text + rule.compute(text)
