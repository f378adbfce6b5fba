"""The sectors of the demo: each with its file of people and records, and its book of what it asked and answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from layout import Layout
from people import OFFICES, Country, Member

from appliance.hubkit.answering import Answering
from appliance.hubkit.exchangebook import ExchangeBook
from appliance.hubkit.sector import Sector


class Party:
    """One sector. ``truth``: who its people are, by existing number; nobody in the scheme knows that."""

    def __init__(self, letter: str, layout: Layout, country: Country, stack: ExitStack) -> None:
        self.letter = letter
        self.item = OFFICES[letter].item
        self.truth = {member.existing: member for member in country.members[letter]}
        self.sector = stack.enter_context(Sector(letter, layout.sector(letter)))
        self.book = stack.enter_context(ExchangeBook(letter, layout.book(letter)))
        self.answering = Answering(self.book, self.sector)
        self._records = country.records[letter]

    def keep_records(self) -> None:
        """What the sector has on its people."""
        known = [one for one in self.truth.values() if one.resident is not None]
        self.sector.keep(self.item, ((one.existing, self._records[one.resident or 0]) for one in known))

    def record(self, resident: int) -> str:
        """What it has on a resident, by their place in the register."""
        return self._records[resident]

    def linked(self) -> Iterator[tuple[Member, str]]:
        """Its people who have a linkage number, with that."""
        return ((self.truth[existing], number) for existing, number in self.sector.links())

    def number(self, existing: str) -> tuple[str, str]:
        """The number of somebody, and its key generation; both of one moment, whatever is re-keyed meanwhile."""
        with self.sector.turn:
            (number,) = self.sector.one("SELECT number FROM link WHERE existing = ?", existing)
            return str(number), self.sector.generation

    def knows(self, resident: int) -> Member | None:
        """The one of its people who is this resident."""
        return next((one for one in self.truth.values() if one.resident == resident), None)


class Parties:
    """All six; closed at the end of the block."""

    def __init__(self, layout: Layout, country: Country) -> None:
        self._stack = ExitStack()
        self._parties = {letter: Party(letter, layout, country, self._stack) for letter in OFFICES}

    def __getitem__(self, letter: str) -> Party:
        return self._parties[letter]

    def __iter__(self) -> Iterator[Party]:
        return iter(self._parties.values())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()
