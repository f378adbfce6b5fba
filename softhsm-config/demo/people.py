"""An invented country: residents with Japanese names and addresses, and what six sectors know of them.

The same seed gives the same people. Nobody in it exists; names come from Faker, places from `_PLACES`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import NamedTuple

import noise
from faker import Faker

from appliance.hubkit.register import FourAttributes, Resident

SEED = 20110630  # the day the 2011 outline (社会保障・税番号大綱) was decided
SAMPLE_CODE = "01234567890"  # the scheme's own figures
SAMPLE_EXISTING = "135792468"
_TODAY = date(2026, 4, 1)
_PLACES = (
    "北海道札幌市中央区", "青森県青森市", "岩手県盛岡市", "宮城県仙台市青葉区", "秋田県秋田市", "山形県山形市",
    "福島県郡山市", "茨城県つくば市", "栃木県宇都宮市", "群馬県前橋市", "埼玉県さいたま市大宮区", "千葉県船橋市",
    "東京都世田谷区", "東京都練馬区", "東京都八王子市", "神奈川県横浜市港北区", "神奈川県川崎市中原区", "新潟県長岡市",
    "富山県富山市", "石川県金沢市", "長野県松本市", "岐阜県岐阜市", "静岡県浜松市中央区", "愛知県名古屋市千種区",
    "三重県津市", "滋賀県大津市", "京都府京都市左京区", "大阪府大阪市北区", "大阪府堺市堺区", "兵庫県神戸市灘区",
    "奈良県奈良市", "和歌山県和歌山市", "島根県松江市", "岡山県倉敷市", "広島県広島市中区", "山口県下関市",
    "徳島県徳島市", "香川県高松市", "愛媛県松山市", "高知県高知市", "福岡県福岡市博多区", "佐賀県佐賀市",
    "長崎県佐世保市", "熊本県熊本市中央区", "大分県別府市", "宮崎県宮崎市", "鹿児島県鹿児島市", "沖縄県那覇市",
)  # fmt: skip
_TOWNS = (
    "本町", "栄町", "中央", "緑ケ丘", "旭町", "若葉", "泉", "桜台", "大手町", "新町", "東町", "西ノ宮", "元町", "美園",
)  # fmt: skip


class Office(NamedTuple):
    """A sector: its title, what it keeps about people, and the share of the residents that it knows."""

    title: str
    item: str
    share: float
    record: Callable[[random.Random], dict[str, int | str]]


def _yen(rng: random.Random, about: float) -> int:
    return int(rng.lognormvariate(about, 0.6)) // 1000 * 1000


OFFICES = {
    "A": Office("税", "tax-return", 0.5, lambda rng: {"year": 2025, "declared_yen": _yen(rng, 14.8)}),
    "B": Office("社会保障（共通番号利用）", "pension", 0.6, lambda rng: {"months_paid": rng.randrange(481)}),
    "C": Office("社会保障（共通番号不利用）", "insurance", 0.8, lambda rng: {"insured": rng.choice(("国保", "社保"))}),
    "D": Office("その他", "licence", 0.35, lambda rng: {"licence": rng.choice(("普通", "中型", "大型", "なし"))}),
    "E": Office("地方", "income", 0.9, lambda rng: {"year": 2025, "income_yen": _yen(rng, 15.0)}),
    "F": Office("民間", "payroll", 0.4, lambda rng: {"months": rng.randrange(1, 400), "salary_yen": _yen(rng, 12.5)}),
}
ODD = 0.03  # the share of a sector's people who are not written as the register has them, beyond forms of writing


@dataclass(frozen=True)
class Member:
    """Somebody a sector knows. ``resident`` is their place in the register, None for one who is not in it."""

    existing: str
    attributes: FourAttributes
    resident: int | None
    kind: str  # of `noise`, or "stranger"

    @property
    def sure(self) -> bool:
        """Whether linking must find them, unless two residents are alike."""
        return self.kind in noise.SURE


@dataclass(frozen=True)
class Country:
    """All of it. ``members`` by sector letter; ``records`` by sector letter and place in the register."""

    residents: list[Resident] = field(repr=False)
    members: dict[str, list[Member]] = field(repr=False)
    records: dict[str, dict[int, str]] = field(repr=False)
    alike: frozenset[int] = field(repr=False)


def invent(count: int, seed: int = SEED) -> Country:
    """A country of ``count`` residents; ``alike``: those whom nobody can tell from another by their four attributes."""
    rng = random.Random(seed)  # noqa: S311 -- invented people, not secrets
    fake = Faker("ja_JP")
    fake.seed_instance(seed)
    residents = _number(rng, _households(rng, fake, count))
    alike = _make_alike(rng, residents)
    members = {letter: _members(rng, fake, residents, office.share) for letter, office in OFFICES.items()}
    first = Member(SAMPLE_EXISTING, residents[0].attributes, 0, "same")
    members["C"] = [first, *(member for member in members["C"] if member.resident not in (0, alike[0]))]
    records = {
        letter: {m.resident: _record(rng, office) for m in members[letter] if m.resident is not None}
        for letter, office in OFFICES.items()
    }
    return Country(residents, members, records, frozenset(alike))


def _record(rng: random.Random, office: Office) -> str:
    return json.dumps(office.record(rng), ensure_ascii=False)


def _households(rng: random.Random, fake: Faker, count: int) -> list[FourAttributes]:
    people: list[FourAttributes] = []
    while len(people) < count:
        family, address = fake.last_name(), _address(rng)
        for _ in range(rng.choice((1, 1, 2, 2, 3, 4, 5))):
            sex = rng.choice("男女")
            given = fake.first_name_male() if sex == "男" else fake.first_name_female()
            born = _TODAY - timedelta(days=int(rng.triangular(0, 36_500, 17_000)))
            people.append(FourAttributes(f"{family} {given}", address, born.isoformat(), sex))
    return people[:count]


def _address(rng: random.Random) -> str:
    number = f"{rng.randint(1, 9)}丁目{rng.randint(1, 30)}番{rng.randint(1, 25)}号"
    flat = f" {rng.choice(('メゾン', 'コーポ', 'ハイツ'))}{rng.choice(_TOWNS)}{rng.randint(101, 1505)}"
    return rng.choice(_PLACES) + rng.choice(_TOWNS) + number + (flat if rng.random() < 0.4 else "")


def _number(rng: random.Random, people: list[FourAttributes]) -> list[Resident]:
    codes = {SAMPLE_CODE: None}
    while len(codes) < len(people):
        codes[f"{rng.randrange(10**11):011d}"] = None
    return [Resident(code, attributes) for code, attributes in zip(codes, people, strict=True)]


def _make_alike(rng: random.Random, residents: list[Resident]) -> list[int]:
    """Two times two residents with the same four attributes: nobody can say which one a sector means.

    Their places. Sector C is not to know the first of them, so that both sides of the trouble are seen there.
    """
    places = rng.sample(range(1, len(residents)), 4)
    for one, other in (places[:2], places[2:]):
        residents[other] = replace(residents[other], attributes=residents[one].attributes)
    return places


def _members(rng: random.Random, fake: Faker, residents: list[Resident], share: float) -> list[Member]:
    numbers = rng.sample(range(10**9), len(residents) + len(residents) // 100 + 1)
    numbers = [number for number in numbers if number != int(SAMPLE_EXISTING)]
    made = []
    for place, resident in enumerate(residents):
        if rng.random() < share:
            kind, attributes = _as_known(rng, fake, resident.attributes)
            made.append(Member(f"{numbers.pop():09d}", attributes, place, kind))
    for stranger in _households(rng, fake, max(1, round(len(made) * ODD * 0.2))):
        made.append(Member(f"{numbers.pop():09d}", stranger, None, "stranger"))
    return made


def _as_known(rng: random.Random, fake: Faker, one: FourAttributes) -> tuple[str, FourAttributes]:
    if rng.random() < ODD:
        return noise.doubtful(rng, one, _address(rng), fake.last_name())
    return noise.written_otherwise(rng, one)
