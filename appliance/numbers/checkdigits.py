"""Check-digit rules, by name. A format names one; nobody guesses one.

The resident code's own rule is set by a ministerial notice that is not public text here, so
its default is ``none``; a deployment that has the notice adds the rule under its own name. A
rule is data, a weighted sum and a table over its remainder, so that the scalar code here and
the column code in `appliance.numbers.columns` follow the same lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_DIGITS = "0123456789"


@dataclass(frozen=True)
class CheckRule:
    """``r = sum(weight * digit) mod len(by_remainder)``; the check digit is ``by_remainder[r]``.

    ``weights`` go with the decimal digits from the highest to the lowest.
    """

    weights: tuple[int, ...]
    by_remainder: str

    @property
    def digits(self) -> int:
        """How many decimal digits the rule covers."""
        return len(self.weights)

    def compute(self, digits: str) -> str:
        """The check digit of ``digits``.

        Raises:
            ValueError: not exactly as many ASCII decimal digits as the rule covers.
        """
        total = sum(_DIGITS.index(digit) * weight for digit, weight in zip(digits, self.weights, strict=True))
        return self.by_remainder[total % len(self.by_remainder)]


# P_n are the digits counted from the lowest; Q_n = n+1 for n = 1..6 and n-5 for n = 7..11;
# r = sum(P_n * Q_n) mod 11; the check digit is 0 if r <= 1, else 11 - r
# (総務省令第85号 of 2014, article 5).
INDIVIDUAL_NUMBER = CheckRule((6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2), "00987654321")


def individual_number(digits: str) -> str:
    """Check digit of a 個人番号 (Individual Number) over its 11 decimal digits."""
    return INDIVIDUAL_NUMBER.compute(digits)


CHECK_RULES: Mapping[str, CheckRule | None] = MappingProxyType({"none": None, "individual-number": INDIVIDUAL_NUMBER})
