"""A believable world for reports: a policy, a ledger that a spring of ceremonies changes, and two disclosure orders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import ledgerkit
from ledgerkit import OFFICERS, make_found, make_outcome, make_plan, results_for, sealer, worked_on
from logkit import witness_keys

from appliance.ledger import canonical, chain, cms
from appliance.ledger.actions import (
    Action,
    Activate,
    ChangePolicy,
    Destroy,
    DomainSpec,
    Generate,
    Ratify,
    Restrict,
    Resume,
    Retire,
    Suspend,
)
from appliance.ledger.order import Order
from appliance.ledger.order import digest as order_digest
from appliance.ledger.policy import LogRules, Policy, RoleRule
from appliance.ledger.text import render_instant

DAYS = 90
BEGIN = datetime(2026, 3, 31, 15, 0, tzinfo=UTC)  # midnight of 1 April in Tokyo
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TOKYO = timedelta(hours=9)
PEOPLE = (*OFFICERS, "ueda")
TITLES = {
    "resident": "住民票コード (resident code)",
    "common": "共通番号 (common number)",
    "spin": "国民ID (national ID)",
    "sspin.A": "税 (tax)",
    "sspin.B": "社会保障・共通番号 (social security, common number)",
    "sspin.C": "社会保障・その他 (social security, other)",
    "sspin.D": "その他 (other)",
    "sspin.E": "地方 (local government)",
    "sspin.F": "民間 (private)",
}


def _rule(pairs: Iterable[tuple[str, str]], purposes: tuple[str, ...], **changes: Any) -> RoleRule:
    fields: dict[str, Any] = {
        "pairs": tuple(pairs),
        "purposes": purposes,
        "values_per_request": 1_000,
        "values_per_stream": 10_000_000,
        "values_per_minute": 60_000_000,
    }
    return RoleRule(**{**fields, **changes})


def policy(**log: Any) -> Policy:
    """Who does what in this world."""
    hub = [(a, b) for a in ("sspin.A", "sspin.B", "sspin.E") for b in ("sspin.A", "sspin.B", "sspin.C", "sspin.E")]
    hub = [*(pair for pair in hub if pair[0] != pair[1]), ("sspin.C", "sspin.B")]
    nothing: dict[str, Any] = {"values_per_request": 0, "values_per_stream": 0, "values_per_minute": 0}
    roles = {
        "hub": _rule(hub, ("benefit-check", "tax-assessment", "address-change"), values_per_day=400_000),
        "register": _rule([("resident", "common")], ("numbering",), purpose_values_per_day={"numbering": 20_000}),
        "numbering": _rule(
            [("resident", name) for name in ("sspin.A", "sspin.B", "sspin.C", "sspin.E")],
            ("linking",),
            purpose_values_per_day={"linking": 40_000},
        ),
        "court": _rule([("sspin.B", "resident"), ("common", "spin")], ("court-order",)),
        "rekey": _rule([("sspin.C", "sspin.C")], ("rotation",)),
        "portal": _rule([], (), **{**nothing, "values_per_minute": 600}, history=("common",)),
        "oversight": _rule([], (), **nothing, log=True),
    }
    witnesses = tuple(str(vkey) for name in ("watch.example/a", "watch.example/b") for vkey in witness_keys(name).vkeys)
    rules = {"witnesses": witnesses[:3], "warn_seconds": 6 * 3_600, "refuse_seconds": 24 * 3_600, **log}
    return Policy(roles=roles, log=LogRules(**rules))


@dataclass
class TimedBook(ledgerkit.Book):
    """A ledger whose entries have their own times and titles."""

    def hold(self, title: str, at: datetime, actions: Iterable[Action], rehearsal: bool = False) -> None:
        """One ceremony."""
        before = self.states[-1]
        created, expires = render_instant(at - 3 * HOUR), render_instant(at + DAY)
        fields = {"title": title, "created": created, "expires": expires, "rehearsal": rehearsal}
        plan = make_plan(actions, state=before, **fields)
        authorization = ledgerkit.approve(plan, PEOPLE, at - HOUR)
        times = {"started": render_instant(at), "finished": render_instant(at + timedelta(minutes=20))}
        made = make_outcome(plan, authorization, results_for(before, plan), token=worked_on(before, plan), **times)
        outcome = ledgerkit.seal(made, sealer(before, plan), at + timedelta(minutes=21))
        self.anchor = self.anchor or chain.anchor_of(canonical.encode(plan))
        entry = chain.verify_entry(before, authorization, outcome, self.anchor)
        self.files[chain.authorization_name(entry.sequence)] = authorization
        self.files[chain.outcome_name(entry.sequence)] = outcome
        self.states.append(entry.state)


def _pair(*names: str, parent: str | None = "spin.1") -> list[Action]:
    made: list[Action] = [Generate(generation=name, parent=parent) for name in names]
    return made + [Activate(generation=name) for name in names]


def _domains() -> tuple[DomainSpec, ...]:
    return tuple(
        DomainSpec(name=one.name, title=TITLES[one.name], parent=one.parent, format=one.format)
        for one in ledgerkit.make_domains()
    )


def day_at(day: int, hour: float = 0.0) -> datetime:
    """A moment of a day of the log, by the clocks of Tokyo."""
    return BEGIN + day * DAY + timedelta(hours=hour)


@cache
def book() -> TimedBook:
    """The ledger: founded two weeks before the log begins, and what the spring brings."""
    made = TimedBook()
    hold = made.hold
    hold("番号連携基盤の創設 (Genesis)", day_at(-15, 10), [make_found(domains=_domains(), policy=policy())])
    first = [*_pair("common.1", "spin.1", parent=None), *_pair(*(f"sspin.{letter}.1" for letter in "ABCDEF"))]
    hold("最初の鍵 (First keys)", day_at(-14, 11), first)
    hold("監査記録の鍵 (Keys of the log)", day_at(-13, 11), _pair("log.1", "tag.1", parent=None))
    hold("C 分野の鍵の更新 (Rotation of sector C)", day_at(19, 14), _pair("sspin.C.2"))
    hold("旧い鍵を復号専用に (Old key of C read only)", day_at(33, 15), [Restrict(generation="sspin.C.1")])
    hold("F 分野の緊急停止 (Emergency stop of sector F)", day_at(44, 20), [Suspend(generation="sspin.F.1")])
    hold("停止の追認と解除", day_at(47, 10), [Ratify(generation="sspin.F.1"), Resume(generation="sspin.F.1")])
    hold("旧い鍵の廃止 (Old key of C retired)", day_at(57, 15), [Retire(generation="sspin.C.1")])
    changed = policy(warn_seconds=8 * 3_600)
    hold("方針の変更 (Cosignatures)", day_at(62, 15), [ChangePolicy(policy=changed)])
    hold("旧い鍵の破棄 (Old key of C destroyed)", day_at(74, 15), [Destroy(generation="sspin.C.1")])
    hold("記録の鍵の更新 (Next key of the log)", day_at(80, 11), _pair("log.2", parent=None))
    return made


@cache
def order(case: str, most: int, begins: int, ends: int) -> tuple[str, bytes]:
    """A signed disclosure order for the court; its digest and its CMS."""
    content = Order(
        type="kagimori/order/v1",
        anchor=book().anchor,
        id=f"{most:032x}",
        source="sspin.B",
        target="resident",
        role="court",
        purpose="court-order",
        most=most,
        issued=render_instant(day_at(begins - 1, 9)),
        not_before=render_instant(day_at(begins)),
        not_after=render_instant(day_at(ends)),
        case=case,
    )
    data = canonical.encode(content)
    return order_digest(data), cms.sign(data, ledgerkit.signer("ueda"), day_at(begins - 1, 10))


def orders() -> dict[str, bytes]:
    """The orders of this world, by file name."""
    return {"case-17.order.cms": order("令和8年(フ)第17号", 60, 20, 50)[1], "case-31.order.cms": second_order()[1]}


def second_order() -> tuple[str, bytes]:
    """The order that is used beyond what it allows."""
    return order("令和8年(行ウ)第31号 <b>", 25, 75, 89)
