"""An invented country's households: couples, children, grandparents, twins, and sons who bear their father's name."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from tests.matching.callednames import Names
from tests.matching.livedplaces import Home, Places

_TODAY = date(2026, 4, 1)
_TWINS, _SAME_NAME, _NEW_YEAR = 0.01, 0.002, 0.003  # of births; of eldest sons; of people whose day nobody knew


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, as the register has them."""

    surname: str
    given: str
    home: Home
    born: date
    sex: str


class Country:
    """Households without end; the same random generator gives the same."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.names, self.places = rng, Names(rng), Places(rng)

    def household(self) -> list[Person]:
        """Who lives together: one, two or three generations."""
        rng, home, surname = self.rng, self.places.home(), self.names.surname()
        man = self._born(date(int(rng.triangular(1928, 2005, 1972)), 1, 1))
        alone = rng.random()
        if alone < 0.18:
            return [self._person(surname, home, man, "男")]
        woman = self._born(date(min(max(man.year + rng.randint(-6, 8), 1922), 2006), 1, 1))
        if alone < 0.38:
            return [self._person(surname, home, woman, "女")]
        father = self._person(surname, home, man, "男")
        return [father, self._person(surname, home, woman, "女"), *self._children(father)]

    def people(self) -> Iterator[list[Person]]:
        """One household after another."""
        while True:
            yield self.household()

    def twin(self, one: Person) -> Person:
        """A twin of somebody."""
        sex = one.sex if self.rng.random() < 0.66 else "女" if one.sex == "男" else "男"
        given = self.names.twin(one.given, sex, one.born.year)
        return Person(one.surname, given, one.home, one.born, sex)

    def _children(self, father: Person) -> Iterator[Person]:
        rng = self.rng
        for rank in range(rng.choice((0, 0, 1, 1, 2, 2, 3))):
            born = self._born(date(father.born.year + rng.randint(22, 42), 1, 1))
            if born >= _TODAY:
                return
            child = self._person(father.surname, father.home, born, rng.choice("男女"))
            if rank == 0 and rng.random() < _SAME_NAME:
                child = Person(father.surname, father.given, father.home, born, "男")
            yield child
            if rng.random() < _TWINS:
                yield self.twin(child)

    def _person(self, surname: str, home: Home, born: date, sex: str) -> Person:
        return Person(surname, self.names.given(sex, born.year), home, born, sex)

    def _born(self, year: date) -> date:
        return year if self.rng.random() < _NEW_YEAR else year + timedelta(days=self.rng.randrange(365))
