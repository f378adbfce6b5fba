"""Check-digit rules, by name. A format names one; nobody guesses one.

The resident code's own rule is set by a ministerial notice that is not public text here, so
its default is ``none``; a deployment that has the notice adds the rule under its own name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class CheckRule:
    """Digits covered (decimal), and the function from those digits to the check digit."""

    digits: int
    compute: Callable[[str], str]


def individual_number(digits: str) -> str:
    """Check digit of a 個人番号 (Individual Number) over its 11 decimal digits.

    P_n are the digits counted from the lowest; Q_n = n+1 for n = 1..6 and n-5 for n = 7..11;
    r = sum(P_n * Q_n) mod 11; the check digit is 0 if r <= 1, else 11 - r
    (総務省令第85号 of 2014, article 5).
    """
    weights = (2, 3, 4, 5, 6, 7, 2, 3, 4, 5, 6)
    r = sum(int(p) * q for p, q in zip(reversed(digits), weights, strict=True)) % 11
    return "0" if r <= 1 else str(11 - r)


CHECK_RULES: Mapping[str, CheckRule | None] = MappingProxyType(
    {"none": None, "individual-number": CheckRule(11, individual_number)}
)
