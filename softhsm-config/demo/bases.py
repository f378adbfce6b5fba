"""The demo's table of legal bases: who may ask whom for what, and questions that it does not allow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from layout import Layout

from appliance.hubkit import legalbasis
from appliance.hubkit.exchangeerrors import BasisOver, NoBasis
from appliance.hubkit.legalbasis import LegalBasis, day_of

MOST_PEOPLE = 1000  # in one question: the hub role's values_per_request


class Pair(NamedTuple):
    """Who asks whom, for what, what for, by which (invented) law."""

    asker: str
    holder: str
    item: str
    purpose: str
    law: str


PAIRS = (
    Pair("B", "E", "income", "benefit-check", "見本法 第19条第1号（給付の資格の確認）"),
    Pair("A", "F", "payroll", "tax-assessment", "見本法 第19条第2号（税額の決定）"),
    Pair("E", "B", "pension", "benefit-check", "見本法 第19条第3号（減免の資格の確認）"),
    Pair("C", "A", "tax-return", "premium-check", "見本法 第19条第4号（保険料の算定）"),
    Pair("F", "D", "licence", "licence-check", "見本法 第19条第5号（本人が求める資格の証明）"),
)
EXPIRING = Pair("D", "C", "insurance", "licence-check", "見本法 第19条第6号（急を要する照会）")
OVER = Pair("D", "E", "income", "licence-check", "見本法 附則第2条（終わった経過措置）")


@dataclass(frozen=True)
class Refused:
    """A question that the hub must refuse, and how."""

    name: str
    pair: Pair
    error: type[Exception]


REFUSED = (
    Refused("no legal basis: F asks E for income", Pair("F", "E", "income", "licence-check", ""), NoBasis),
    Refused("a legal basis that has ended: D asks E for income", OVER, BasisOver),
)


def write(layout: Layout) -> LegalBasis:
    """The hub's table of legal bases, as a file and read back from it."""
    today = day_of(datetime.now(UTC))
    year = timedelta(days=365)
    text = 'time_zone = "Asia/Tokyo"\n'
    for place, pair in enumerate((*PAIRS, EXPIRING, OVER), 1):
        ends = today - timedelta(days=1) if pair is OVER else today + year
        within = "1 s" if pair is EXPIRING else "10 d"
        text += f"""
[[basis]]
id = "basis-{place}"
asker = "{pair.asker}"
holder = "{pair.holder}"
item = "{pair.item}"
purpose = "{pair.purpose}"
law = "{pair.law}"
valid_from = {today - year}
valid_until = {ends}
answer_within = "{within}"
most_people = {MOST_PEOPLE}
"""
    layout.bases.write_text(text, encoding="utf-8")
    return legalbasis.load(layout.bases)
