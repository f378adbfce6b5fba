"""What verifying a copy finds: each finding names its place and the rule; they are collected, and bounded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

MOST = 1_000  # kept in all; a ruined copy has one in every record
MOST_IN_PART = 50


class Finding(NamedTuple):
    """Something that must not be so in an honest copy, and where."""

    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


class Findings:
    """A list with an end; what does not fit is counted."""

    def __init__(self, most: int = MOST) -> None:
        self.kept: list[Finding] = []
        self.omitted = 0
        self._most = most

    def add(self, place: str, what: str) -> None:
        """Take one more."""
        if len(self.kept) < self._most:
            self.kept.append(Finding(place, what))
        else:
            self.omitted += 1

    def extend(self, findings: Iterable[Finding], omitted: int = 0) -> None:
        """Take those that somebody else has collected."""
        for place, what in findings:
            self.add(place, what)
        self.omitted += omitted

    @property
    def found(self) -> int:
        """How many there were."""
        return len(self.kept) + self.omitted
