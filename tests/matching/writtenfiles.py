"""A register and a sector's file about it, with the truth: who each line of the file is about.

Strangers are people of the country who are in no register, as frequent as names make them; and those who resemble a
resident: a twin, a son with his father's name, who lived there before, and namesakes born that day, as chance has it.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from tests.matching import sectornoise
from tests.matching.inventedpeople import Country, Person

Texts = tuple[str, str, str, str]
STRANGER, TWIN, SON, BEFORE, CHANCE = (
    "stranger",
    "stranger: twin of a resident",
    "stranger: father's name and house",
    "stranger: lived there before",
    "stranger: namesake born that day",
)
NOT_ASKED, STRANGERS, TWINS, SONS, LIVED_BEFORE, TWICE = 0.02, 0.04, 0.001, 0.001, 0.002, 0.002  # of the people
DRAWS = 50  # namesakes by chance are looked for among so many times the strangers


class Asked(NamedTuple):
    """A line of a sector's file and its truth: the kind, and the resident's line in the register (-1: a stranger)."""

    kind: str
    truth: int
    texts: Texts


def write(folder: Path, people: int, seed: int) -> None:
    """``register.tsv`` (in its order) and ``sector.tsv`` (shuffled) for so many people."""
    rng = random.Random(seed)
    country = Country(rng)
    residents: list[Person] = []
    asked: list[Asked] = []
    strangers: list[Person] = []
    with (folder / "register.tsv").open("w", encoding="utf-8") as register:
        for one in _people(country, people):
            if rng.random() < STRANGERS:
                strangers.append(one)
                asked.append(Asked(STRANGER, -1, sectornoise.Line(one).texts(rng)))
                continue
            register.write("\t".join(sectornoise.Line(one).texts(rng)) + "\n")
            asked.extend(_lines(country, one, len(residents)))
            residents.append(one)
    asked.extend(
        Asked(CHANCE, -1, sectornoise.Line(one).texts(rng)) for one in _namesakes(country, residents, strangers)
    )
    rng.shuffle(asked)
    with (folder / "sector.tsv").open("w", encoding="utf-8") as sector:
        sector.writelines("\t".join((line.kind, str(line.truth), *line.texts)) + "\n" for line in asked)


def read_register(folder: Path) -> Iterator[Texts]:
    """The register, line by line."""
    with (folder / "register.tsv").open(encoding="utf-8") as file:
        for line in file:
            name, address, birth, sex = line.rstrip("\n").split("\t")
            yield name, address, birth, sex


def read_sector(folder: Path) -> Iterator[Asked]:
    """The sector's file, line by line."""
    with (folder / "sector.tsv").open(encoding="utf-8") as file:
        for line in file:
            kind, truth, name, address, birth, sex = line.rstrip("\n").split("\t")
            yield Asked(kind, int(truth), (name, address, birth, sex))


def _people(country: Country, people: int) -> Iterator[Person]:
    count = 0
    for household in country.people():
        for one in household:
            if count == people:
                return
            count += 1
            yield one


def _lines(country: Country, one: Person, line: int) -> Iterator[Asked]:
    """What the sector knows of a resident: mostly one line, and of some a stranger who resembles them."""
    rng = country.rng
    if rng.random() >= NOT_ASKED:
        kind = _KINDS[bisect(_SUMS, rng.random() * _SUMS[-1])]
        yield Asked(*_told(country, one, kind, line))
        if rng.random() < TWICE:
            yield Asked("asked for twice", line, sectornoise.Line(one).texts(rng))
    if rng.random() < TWINS:
        yield Asked(TWIN, -1, sectornoise.Line(country.twin(one)).texts(rng))
    if rng.random() < SONS and one.sex == "男":
        born = one.born.replace(day=1) + timedelta(days=rng.randint(22 * 365, 42 * 365))
        yield Asked(SON, -1, sectornoise.Line(replace(one, born=born)).texts(rng))
    if rng.random() < LIVED_BEFORE:
        before = replace(next(iter(country.household())), home=one.home)
        yield Asked(BEFORE, -1, sectornoise.Line(before).texts(rng))


_KINDS = list(sectornoise.KINDS)
_SUMS = list(accumulate(share for share, _ in sectornoise.KINDS.values()))


def _told(country: Country, one: Person, kind: str, line: int) -> tuple[str, int, Texts]:
    kind, texts = sectornoise.written(country, one, kind)
    return kind, line, texts


def _namesakes(country: Country, residents: Iterable[Person], strangers: Iterable[Person]) -> Iterator[Person]:
    """Strangers whose name and sex a resident has and who happen to be born on that day: none is made on purpose."""
    born: dict[tuple[str, str, str], set[date]] = defaultdict(set)
    for one in residents:
        born[one.surname, one.given, one.sex].add(one.born)
    for stranger in strangers:
        days = born.get((stranger.surname, stranger.given, stranger.sex), set())
        for _ in range(DRAWS if days else 0):
            day = stranger.born + timedelta(days=country.rng.randint(-1500, 1500))
            if day in days:
                yield replace(stranger, born=day, home=country.places.home())
