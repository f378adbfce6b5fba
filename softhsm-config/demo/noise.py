"""How a sector's file writes a person otherwise than the register does; the demo's own tables, nobody else's.

Only what a clerk really does: other widths and kanji, another form of an address, a building left out, a removal
or a marriage that the sector has not heard of, a slip of the pen.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

from appliance.hubkit.register import FourAttributes

SURE = ("same", "width", "no space", "old kanji", "address form", "building left out")
"""What must be linked all the same; `doubtful` may be, but never to somebody else."""
_WEIGHTS = (60, 8, 8, 8, 10, 6)
_WIDE = str.maketrans("0123456789 ", "０１２３４５６７８９\u3000")
_OLD_KANJI = str.maketrans("高崎斎辺沢浜広国桜滝真恵", "髙﨑齋邊澤濱廣國櫻瀧眞惠")
_KANJI_DIGITS = "〇一二三四五六七八九"
_NUMBERS = re.compile(r"(\d+)丁目(\d+)番(\d+)号")


def written_otherwise(rng: random.Random, one: FourAttributes) -> tuple[str, FourAttributes]:
    """The same person in another writing, and its kind (of `SURE`)."""
    kind = rng.choices(SURE, _WEIGHTS)[0]
    other = _WRITINGS[kind](rng, one)
    return (kind if other != one else "same"), other


def doubtful(rng: random.Random, one: FourAttributes, elsewhere: str, family: str) -> tuple[str, FourAttributes]:
    """The same person as somebody might have them who missed something, or made a slip.

    ``elsewhere`` is another address, ``family`` another family name.
    """
    kind = rng.choice(("moved", "married", "slip in the name", "slip in the date"))
    name, address, born = one.name, one.address, one.birth_date
    if kind == "moved":
        address = elsewhere
    elif kind == "married":
        name = f"{family} {name.split(' ')[1]}"
    elif kind == "slip in the name":
        name = name[:-1] + rng.choice("子美男一")
    else:
        born = (date.fromisoformat(born) + timedelta(days=rng.choice((-1, 1, 10, 30)))).isoformat()
    return kind, replace(one, name=name, address=address, birth_date=born)


def _address_form(rng: random.Random, one: FourAttributes) -> FourAttributes:
    def short(found: re.Match[str]) -> str:
        town, block, house = found.groups()
        return rng.choice(
            (
                f"{town}-{block}-{house}",
                f"{town}－{block}－{house}".translate(_WIDE),
                f"{_KANJI_DIGITS[int(town)]}丁目{block}番地{house}",
            )
        )

    return replace(one, address=_NUMBERS.sub(short, one.address))


_WRITINGS: dict[str, Callable[[random.Random, FourAttributes], FourAttributes]] = {
    "same": lambda _, one: one,
    "width": lambda _, one: replace(one, name=one.name.translate(_WIDE), address=one.address.translate(_WIDE)),
    "no space": lambda _, one: replace(one, name=one.name.replace(" ", "")),
    "old kanji": lambda _, one: replace(one, name=one.name.translate(_OLD_KANJI)),
    "address form": _address_form,
    "building left out": lambda _, one: replace(one, address=one.address.split(" ")[0]),
}
