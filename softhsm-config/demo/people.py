"""An invented country: residents with Japanese names and addresses, and what sectors B, C and E know of them.

The same seed gives the same people. Nobody in it exists; names come from Faker, places from `_PLACES`.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

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
    "本町",
    "栄町",
    "中央",
    "緑ケ丘",
    "旭町",
    "若葉",
    "泉",
    "桜台",
    "大手町",
    "新町",
    "東町",
    "西ノ宮",
    "元町",
    "美園",
)
_MISSPELT = str.maketrans("斉藤高橋太辺崎沢", "斎籐髙槗大邊﨑澤")


@dataclass(frozen=True)
class Member:
    """Somebody a sector knows. ``resident`` is their place in the register, None for one who is not in it."""

    existing: str
    attributes: FourAttributes
    resident: int | None
    kind: str  # "same", "moved", "misspelt", "unknown": how the sector's attributes differ from the register's


@dataclass(frozen=True)
class Country:
    """All of it. ``members`` by sector letter; ``income`` by place in the register."""

    residents: list[Resident] = field(repr=False)
    members: dict[str, list[Member]] = field(repr=False)
    income: dict[int, str] = field(repr=False)


def invent(count: int, seed: int = SEED) -> Country:
    """A country of ``count`` residents. Of sector C's people about 3 % cannot be linked."""
    rng = random.Random(seed)  # noqa: S311 -- invented people, not secrets
    fake = Faker("ja_JP")
    fake.seed_instance(seed)
    residents = _number(rng, _households(rng, fake, count))
    strange = _make_alike(rng, residents)
    members = {
        "B": _members(rng, fake, residents, share=0.6, odd=0.01),
        "C": _members(rng, fake, residents, share=1.0, odd=0.03),
        "E": _members(rng, fake, residents, share=0.92, odd=0.01),
    }
    first = replace(members["C"][0], existing=SAMPLE_EXISTING, attributes=residents[0].attributes, kind="same")
    members["C"] = [first, *(member for member in members["C"][1:] if member.resident != strange)]
    income = {place: _income(rng) for place in range(count)}
    return Country(residents, members, income)


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


def _make_alike(rng: random.Random, residents: list[Resident]) -> int | None:
    """Two times two residents with the same four attributes: nobody can say which one a sector means.

    The place of one of them, whom sector C is not to know, so that both sides of the trouble are seen there.
    """
    if len(residents) < 100:
        return None
    places = rng.sample(range(1, len(residents)), 4)
    for one, other in (places[:2], places[2:]):
        residents[other] = replace(residents[other], attributes=residents[one].attributes)
    return places[1]


def _members(rng: random.Random, fake: Faker, residents: list[Resident], *, share: float, odd: float) -> list[Member]:
    numbers = rng.sample(range(10**9), len(residents) + len(residents) // 100 + 1)
    numbers = [number for number in numbers if number != int(SAMPLE_EXISTING)]
    made = []
    for place, resident in enumerate(residents):
        if rng.random() < share:
            kind = rng.choices(("same", "moved", "misspelt"), (1 - odd * 0.8, odd * 0.5, odd * 0.3))[0]
            attributes = _as_known(rng, resident.attributes, kind)
            made.append(Member(f"{numbers.pop():09d}", attributes, place, kind))
    for stranger in _households(rng, fake, round(len(made) * odd * 0.2)):
        made.append(Member(f"{numbers.pop():09d}", stranger, None, "unknown"))
    return made


def _as_known(rng: random.Random, one: FourAttributes, kind: str) -> FourAttributes:
    """As a sector may have it: written in another way (which must match), moved, or misspelt (which must not)."""
    if kind == "moved":
        return replace(one, address=_address(rng))
    if kind == "misspelt":
        wrong = one.name.translate(_MISSPELT)
        return replace(one, name=wrong if wrong != one.name else one.name + "子")
    match rng.randrange(4):
        case 0:
            return replace(one, name=one.name.replace(" ", "\u3000"))
        case 1:
            return replace(one, name=one.name.replace(" ", ""))
        case 2:
            return replace(one, address=one.address.translate(str.maketrans("0123456789", "０１２３４５６７８９")))
    return one


def _income(rng: random.Random) -> str:
    income = int(rng.lognormvariate(15.0, 0.6)) // 1000 * 1000
    return json.dumps({"year": 2025, "income_yen": income, "resident_tax_yen": income // 1000 * 60})
