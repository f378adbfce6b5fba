"""What a sector's file makes of people: kinds of difference, each by itself and two at once."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date

from tests.matching import writtenforms as forms
from tests.matching.inventedpeople import Country, Person
from tests.matching.livedplaces import Home, registered


@dataclass(slots=True)
class Line:
    """One line of a sector's file while it is being made, by its parts; untouched it is as the register writes it."""

    person: Person
    surname: str = field(init=False)
    given: str = field(init=False)
    home: Home = field(init=False)
    born: date = field(init=False)
    sex: str = field(init=False)
    spaced: bool = True
    form: str = "registered"  # or "other", "no house"
    era: bool = False
    wide: bool = False

    def __post_init__(self) -> None:
        one = self.person
        self.surname, self.given, self.home, self.born, self.sex = one.surname, one.given, one.home, one.born, one.sex

    def texts(self, rng: random.Random) -> tuple[str, str, str, str]:
        """The four attributes as text."""
        name = f"{self.surname}　{self.given}" if self.spaced else forms.other_spaces(rng, self.surname, self.given)
        address = registered(self.home)
        if self.form != "registered":
            address = forms.address(rng, self.home, without_house=self.form == "no house")
        if self.wide:
            name, address = forms.narrow(name), rng.choice((forms.wide(address), address.replace("　", " ")))
        return name, address, forms.by_era(self.born, rng) if self.era else self.born.isoformat(), self.sex


Noise = Callable[[Country, Line], None]


def _width(country: Country, line: Line) -> None:
    line.wide = True


def _spaces(country: Country, line: Line) -> None:
    line.spaced = False


def _variant(country: Country, line: Line) -> None:
    surname = forms.other_forms(country.rng, line.surname)
    line.given = line.given if surname != line.surname else forms.other_forms(country.rng, line.given)
    line.surname = surname


def _old(country: Country, line: Line) -> None:
    line.surname, line.given = forms.old_letters(line.surname), forms.old_letters(line.given)


def _kana(country: Country, line: Line) -> None:
    line.given = forms.other_kana(country.rng, line.given)


def _form(country: Country, line: Line) -> None:
    line.form = "other"


def _no_house(country: Country, line: Line) -> None:
    line.form = "no house" if line.home.house else line.form


def _era(country: Country, line: Line) -> None:
    line.era = True


def _moved(country: Country, line: Line) -> None:
    line.home = country.places.home()


def _moved_near(country: Country, line: Line) -> None:
    line.home = country.places.near(line.home)


def _married(country: Country, line: Line) -> None:
    line.surname = country.names.surname()


def _married_moved(country: Country, line: Line) -> None:
    _married(country, line)
    _moved(country, line)


def _surname_typo(country: Country, line: Line) -> None:
    line.surname = _typo(country.rng, line.surname)


def _given_typo(country: Country, line: Line) -> None:
    line.given = _typo(country.rng, line.given)


def _birth_typo(country: Country, line: Line) -> None:
    """A digit, two neighbouring digits exchanged, or month and day."""
    rng, text = country.rng, line.born.isoformat()
    place = rng.choice((0, 1, 2, 3, 5, 6, 8, 9))
    slip = rng.choice((
        text[:place] + rng.choice("0123456789") + text[place + 1 :],
        text[:2] + text[3] + text[2] + text[4:],
        text[:8] + text[9] + text[8],
        text[:5] + text[8:] + text[4] + text[5:7],
    ))  # fmt: skip
    if slip == text or not "1900" < slip < "2026" or not _exists(slip):
        _birth_typo(country, line)
    else:
        line.born = date.fromisoformat(slip)


def _other_birth(country: Country, line: Line) -> None:
    line.born = date(country.rng.randint(1930, 2020), country.rng.randint(1, 12), country.rng.randint(1, 28))


def _sex(country: Country, line: Line) -> None:
    line.sex = "女" if line.sex == "男" else "男"


def _lot_typo(country: Country, line: Line) -> None:
    line.home = replace(line.home, first=line.home.first + country.rng.choice((1, 2, 10, 20)))


def _kana_only(country: Country, line: Line) -> None:
    line.surname, line.given = country.rng.choice((("サトウ", "ハナコ"), ("ヤマモト", "タロウ"), ("タナカ", "ミキ")))


def _typo(rng: random.Random, text: str) -> str:
    place, letter = rng.randrange(len(text)), rng.choice("田村山木美子一太郎大和川正人")
    wrong = (text[:place] + letter + text[place + 1 :], text[:place] + letter + text[place:], text[1:] + text[:1])
    typed = rng.choice(wrong)
    return typed if typed != text else _typo(rng, text)


def _exists(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


# each kind: its share of a sector's file, and what may be done (one of each group)
KINDS: dict[str, tuple[float, tuple[tuple[Noise, ...], ...]]] = {
    "as registered": (0.40, ()),
    "full or half width": (0.04, ((_width,),)),
    "spaces": (0.04, ((_spaces,),)),
    "variant kanji": (0.05, ((_variant,),)),
    "old kanji": (0.03, ((_old,),)),
    "hiragana and katakana": (0.02, ((_kana,),)),
    "address form": (0.12, ((_form,),)),
    "building left out": (0.05, ((_no_house,),)),
    "date by era": (0.03, ((_era,),)),
    "moved": (0.05, ((_moved,),)),
    "moved in the same town": (0.01, ((_moved_near,),)),
    "lot mistyped": (0.005, ((_lot_typo,),)),
    "other surname (married)": (0.01, ((_married,),)),
    "other surname and moved": (0.01, ((_married_moved,),)),
    "surname mistyped": (0.007, ((_surname_typo,),)),
    "given name mistyped": (0.007, ((_given_typo,),)),
    "birth date mistyped": (0.015, ((_birth_typo,),)),
    "another birth date": (0.003, ((_other_birth,),)),
    "wrong sex": (0.005, ((_sex,),)),
    "name in kana only": (0.002, ((_kana_only,),)),
}
_WRITING: tuple[Noise, ...] = (_width, _spaces, _variant, _old, _form, _no_house, _era)
_SLIPS: tuple[Noise, ...] = (_moved, _surname_typo, _given_typo, _birth_typo, _sex, _lot_typo, _married)
KINDS["two ways of writing"] = (0.03, (_WRITING, _WRITING))
KINDS["a way of writing and a slip"] = (0.02, (_WRITING, _SLIPS))
KINDS["two slips"] = (0.005, (_SLIPS, _SLIPS))


def written(country: Country, person: Person, kind: str) -> tuple[str, tuple[str, str, str, str]]:
    """A person as a sector has them, and the kind that it is: as registered, where nothing came out otherwise."""
    line = Line(person)
    done: list[Noise] = []
    for group in KINDS[kind][1]:
        done.append(country.rng.choice([noise for noise in group if noise not in done]))
        done[-1](country, line)
    texts = line.texts(country.rng)
    return kind if texts != Line(person).texts(country.rng) else "as registered", texts
