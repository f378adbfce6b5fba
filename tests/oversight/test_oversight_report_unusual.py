"""Anything unusual: what was planted is found on its day, an ordinary log gives no alarm, every rule has its edge."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reportkit import PLANTED, Spring, conversion, planted_days, sample
from reportworld import order

from appliance.audit import records
from appliance.audit.records import Record
from appliance.ledger import cms
from appliance.oversight.report import unusual, usual
from appliance.oversight.report.findings import Facts, Finding, Seconds
from appliance.oversight.report.moments import Clock
from appliance.oversight.report.orders import HeldOrder
from appliance.oversight.report.statistics import Statistics
from appliance.oversight.report.usual import stands_out, usual_of

HUB = {"role": "hub", "uid": 991, "gid": 991, "pid": 7}
MONDAY = datetime(2026, 4, 6, 0, 0, tzinfo=UTC)


def findings(made: list[tuple[float, Record]], *, zone: str = "UTC", **orders: HeldOrder) -> list[Finding]:
    """What the rules find in records at these hours after `MONDAY`, in the order given."""
    statistics = Statistics(Clock.named(zone), {"resident", "spin"})
    for number, (hours, record) in enumerate(made, start=1):
        at = MONDAY + timedelta(hours=hours)
        time = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond:06d}Z"
        statistics.take(msgspec.structs.replace(record, record=number, time=time))
    held = {one.digest: one for one in orders.values()}
    return list(unusual.findings(Facts(statistics, held)))


def weeks(count: int, *, amount: int = 1_000, hour: float = 10.0, **who: Any) -> list[tuple[float, Record]]:
    """Working days of a caller, a few numbers more and less."""
    days = [day for day in range(7 * count) if day % 7 < 5]
    caller = {**HUB, **who}
    return [(24 * day + hour, conversion(caller, count=amount + 37 * (day % 3))) for day in days]


def with_extra(base: list[tuple[float, Record]], *more: tuple[float, Record]) -> list[tuple[float, Record]]:
    return sorted([*base, *more], key=lambda one: one[0])


def kinds(found: list[Finding]) -> list[str]:
    return [one.kind for one in found]


@pytest.mark.parametrize("planted", PLANTED, ids=lambda one: one.kind)
def test_what_was_planted_is_found_on_its_day(planted: Any) -> None:
    days = planted_days()
    found = [one for one in sample().report().findings if one.kind == planted.kind]
    if planted.kind == "order_overuse":
        assert [one.when for one in found] == [f"2026-06-17 – {days[planted.kind]}"]
    else:
        assert days[planted.kind] in [one.when[:10] for one in found]
    assert all(one.amounts and one.first for one in found)


def test_nothing_grave_is_found_besides() -> None:
    """Of a hundred thousand things that could stand out in ninety days, only what was planted does."""
    grave = Counter(one.kind for one in sample().report().findings if one.grave)
    wanted = {one.kind for one in PLANTED} - {"weekend", "quiet", "crash", "repair"}
    assert grave == Counter(wanted)


def test_an_ordinary_spring_gives_no_alarm() -> None:
    made = [((one.at - MONDAY).total_seconds() / 3_600, one.record) for one in Spring().every()]
    found = findings(made, zone="Asia/Tokyo")
    assert [one for one in found if one.grave] == []


def test_a_finding_names_its_records_and_numbers() -> None:
    (found,) = [one for one in sample().report().findings if one.kind == "volume_high"]
    assert (found.role, found.uids, found.when) == ("hub", (991,), "2026-05-20")
    assert found.first < found.last
    assert found.amounts["usual"] == 7451
    assert found.amounts["amount"] == 45842
    (burst,) = [one for one in sample().report().findings if one.kind == "unknown_burst"]
    assert (burst.amounts["unknown"], burst.amounts["count"]) == (1334, 3200)
    assert float(burst.amounts["share"]) == pytest.approx(0.4169, abs=1e-4)
    assert float(burst.amounts["base"]) < 0.001


@pytest.mark.parametrize(("more", "found"), [(980, []), (1_100, ["volume_high"])])
def test_a_day_stands_out_only_above_twice_the_median(more: int, found: list[str]) -> None:
    made = with_extra(weeks(4), (24 * 9 + 11, conversion(HUB, count=more)))
    assert kinds(findings(made)) == found


def test_the_threshold_is_six_deviations_by_the_median_deviation() -> None:
    found = usual_of([800, 1_000, 1_200] * 4)
    assert found is not None
    assert (found.days, found.middle, found.spread) == (12, 1_000, 200)
    assert found.upper == pytest.approx(1_000 + 6 * 1.4826 * 200)
    assert found.lower == pytest.approx(1_000 - 3 * 1.4826 * 200)
    steady = usual_of([1_000] * 12)
    assert steady is not None
    assert (steady.upper, steady.lower) == (2_000, 200)


@pytest.mark.parametrize(("more", "found"), [(99, []), (100, ["volume_high"])])
def test_a_handful_of_numbers_is_not_worth_a_look(more: int, found: list[str]) -> None:
    made = [(24 * day + 10, conversion(HUB, count=10)) for day in range(25) if day % 7 < 5]
    assert kinds(findings(with_extra(made, (24 * 9 + 11, conversion(HUB, count=more))))) == found


def test_the_periods_first_and_last_day_may_be_cut_short() -> None:
    made = weeks(6)
    short = [(10.0, conversion(HUB, count=3)), *made[1:-1], (made[-1][0], conversion(HUB, count=3))]
    assert findings(short) == []
    inside = [made[0], (made[1][0], conversion(HUB, count=3)), *made[2:]]
    assert kinds(findings(inside)) == ["volume_low"]


def test_of_few_days_nothing_is_said() -> None:
    assert usual_of([5] * (usual.FEWEST_DAYS - 1)) is None
    assert usual_of([5] * usual.FEWEST_DAYS) is not None
    assert kinds(findings(with_extra(weeks(1), (35, conversion(HUB, count=90_000))))) == []


def test_weekends_are_judged_among_weekends() -> None:
    weekend = [(24 * day + 10, conversion(HUB, count=100)) for day in range(98) if day % 7 > 4]
    made = with_extra([*weeks(14), *weekend], (24 * 12 + 11, conversion(HUB, count=900)))
    (found,) = findings(made)
    assert (found.kind, found.when, found.amounts["usual"]) == ("volume_high", "2026-04-18", 100)


def test_far_fewer_on_one_callers_days_are_noted_and_on_most_callers_days_once_for_all() -> None:
    one = [pair for pair in weeks(6) if not 24 * 14 <= pair[0] < 24 * 16]
    other = weeks(6, role="numbering", uid=981)
    (found,) = findings(with_extra([*one, *other]))
    assert (found.kind, found.grave, found.when, found.role) == (
        "volume_low",
        False,
        "2026-04-20 – 2026-04-21",
        "hub",
    )
    assert (found.amounts["amount"], found.amounts["days"]) == (0, 2)
    both = [pair for pair in with_extra([*weeks(6), *other]) if not 24 * 14 <= pair[0] < 24 * 16]
    (quiet,) = [found for found in findings(both) if found.kind != "gap"]
    assert (quiet.kind, quiet.amounts["callers"], quiet.amounts["of"]) == ("quiet", 2, 2)


@pytest.mark.parametrize(("unknown", "found"), [(19, []), (25, ["unknown_burst"])])
def test_a_burst_needs_twenty_unknown_numbers(unknown: int, found: list[str]) -> None:
    made = with_extra(weeks(4), (24 * 9 + 11, conversion(HUB, count=60, unknown=unknown)))
    assert kinds(findings(made)) == found


def test_a_burst_is_measured_by_the_callers_own_habit() -> None:
    """Who always has five percent unknown has no burst at eight."""
    made = [(24 * day + 10, conversion(HUB, count=1_000, unknown=50)) for day in range(25) if day % 7 < 5]
    usually = with_extra(made, (24 * 9 + 11, conversion(HUB, count=1_000, unknown=80)))
    assert kinds(findings(usually)) == []
    burst = with_extra(made, (24 * 9 + 11, conversion(HUB, count=900, unknown=300)))
    (found,) = findings(burst)
    assert found.kind == "unknown_burst"
    assert float(found.amounts["base"]) == pytest.approx(0.05)


def test_hours_of_a_burst_that_follow_each_other_are_one() -> None:
    bursts = [(24 * 9 + hour, conversion(HUB, count=100, unknown=90)) for hour in (11, 12, 13, 16)]
    made = [one for one in findings(with_extra(weeks(4), *bursts)) if one.kind == "unknown_burst"]
    assert [one.when for one in made] == ["2026-04-15 11:00–14:00", "2026-04-15 16:00–17:00"]
    assert made[0].amounts["unknown"] == 270


def test_refusals_in_numbers_are_found_with_their_codes() -> None:
    refused = records.Refusal(**HUB, code="pair_denied", source=None, target=None, purpose=None)
    many = [(24 * 9 + 11 + number / 100, refused) for number in range(30)]
    (found,) = findings(with_extra(weeks(4), *many))
    assert (found.kind, found.grave, found.amounts["codes"]) == ("refusal_burst", True, "pair_denied 30")
    assert kinds(findings(with_extra(weeks(4), *many[:19]))) == []


def test_night_is_that_of_the_reports_time_zone() -> None:
    late = (24 * 9 + 13.2, conversion(HUB))  # 22:12 in Tokyo
    made = with_extra(weeks(4, hour=2.0), late)
    assert kinds(findings(made, zone="Asia/Tokyo")) == ["night"]
    (found,) = findings(made, zone="Asia/Tokyo")
    assert (found.when, found.amounts["days"], found.amounts["times"]) == ("2026-04-15 22:00–23:00", 20, 1)
    assert "night" not in kinds(findings(with_extra(weeks(4), late)))


def test_a_night_does_not_end_at_midnight() -> None:
    made = with_extra(weeks(4), (24 * 9 + 23.5, conversion(HUB)), (24 * 10 + 1.5, conversion(HUB)))
    (found,) = [one for one in findings(made) if one.kind == "night"]
    assert (found.when, found.amounts["numbers"]) == ("2026-04-15 23:00–2026-04-16 02:00", 2)
    assert "night" not in kinds(findings(with_extra(weeks(4), (24 * 9 + 6.0, conversion(HUB)))))


def test_whoever_works_at_night_every_night_is_not_found() -> None:
    assert kinds(findings(weeks(6, hour=23.0))) == []


def test_a_weekend_of_somebody_who_works_on_weekdays_is_noted() -> None:
    (found,) = findings(with_extra(weeks(4), (24 * 12 + 11, conversion(HUB, count=3))))
    assert (found.kind, found.grave, found.when) == ("weekend", False, "2026-04-18")


def test_a_new_uid_is_asked_about_and_a_new_role_noted() -> None:
    late = [(24 * 21 + 10, conversion({**HUB, "uid": 7})), (24 * 21 + 11, conversion({**HUB, "role": "lab", "uid": 8}))]
    found = {one.kind: one for one in findings(with_extra(weeks(4), *late))}
    assert (found["new_caller"].grave, found["new_role"].grave) == (True, False)
    assert (found["new_caller"].uids, found["new_caller"].amounts["others"]) == ((7,), 1)
    assert kinds(findings(with_extra(weeks(4), (24 * 2 + 12, conversion({**HUB, "uid": 7}))))) == []


def test_who_came_before_the_period_is_not_new_in_it() -> None:
    day = MONDAY.date().toordinal()
    statistics = Statistics(Clock.named("UTC"), (), (day + 14, day + 60))
    late = [(24 * number + 11, conversion({**HUB, "uid": 7})) for number in (10, 20)]
    for number, (hours, record) in enumerate(with_extra(weeks(4), *late), start=1):
        time = f"{MONDAY + timedelta(hours=hours):%Y-%m-%dT%H:%M:%S}.000000Z"
        statistics.take(msgspec.structs.replace(record, record=number, time=time))
    assert "new_caller" not in kinds(list(unusual.findings(Facts(statistics))))


def held_order(most: int = 60) -> HeldOrder:
    digest, data = order("令和8年(フ)第17号", most, 20, 50)
    content = cms.verify(data).content
    return HeldOrder(msgspec.json.decode(content, type=_order_type()), digest, ("ueda",))


def _order_type() -> Any:
    from appliance.ledger.order import Order

    return Order


def under(held: HeldOrder, day: float, count: int, **changes: Any) -> tuple[float, Record]:
    """A disclosure under the order, so many days after `MONDAY`."""
    fields: dict[str, Any] = {"generations": ("sspin.B.1", "resident"), "role": "court", **changes}
    who = {**HUB, "role": fields["role"], "uid": 965}
    return 24 * day, conversion(who, fields["generations"], "court-order", count, order=held.digest)


@pytest.mark.parametrize(("count", "found"), [(20, ["disclosure"]), (21, ["order_overuse", "disclosure"])])
def test_an_order_is_overused_from_one_number_more_on(count: int, found: list[str]) -> None:
    held = held_order()
    made = [under(held, 16, 40), under(held, 17, count)]
    told = findings(made, held=held)
    assert kinds(told) == found
    assert told[-1].amounts["days"] == 2
    assert kinds(findings(made)) == ["disclosure"]  # its text is not at hand


def test_an_order_used_for_something_else_or_at_another_time_is_found() -> None:
    held = held_order()
    other = under(held, 16, 1, generations=("sspin.E.1", "resident"))
    (found, _) = findings([other], held=held)
    assert (found.kind, found.amounts["strange"]) == ("order_misfit", "sspin.E → resident")
    role = under(held, 16, 1, role="hub")
    assert "order_misfit" in kinds(findings([role], held=held))
    for day in (1, 60):
        assert "order_untimely" in kinds(findings([under(held, day, 1)], held=held))


def test_a_disclosure_without_an_order_is_grave() -> None:
    bare = (10.0, conversion(HUB, ("common.1", "spin.1"), "linking", 3))
    (found,) = findings([bare])
    assert (found.kind, found.grave, found.amounts["count"]) == ("disclosure_bare", True, 3)


def test_a_gap_is_judged_by_the_hours_that_are_otherwise_busy() -> None:
    every = [(24 * day + hour, conversion(HUB)) for day in range(35) for hour in range(8, 20)]
    afternoon = [pair for pair in every if not 24 * 15 + 12 <= pair[0] < 24 * 15 + 17]
    (found,) = findings(afternoon)
    assert (found.kind, found.grave, found.when) == ("gap", True, "2026-04-21 11:00 – 2026-04-21 17:00")
    assert (found.amounts["missed"], found.amounts["length"]) == (5, Seconds(6 * 3_600))
    stop, start = records.Stop(reason="SIGTERM"), records.Start(version="1", pid=1, roles=())
    stopped = with_extra(afternoon, (24 * 15 + 11.1, stop), (24 * 15 + 16.9, start))
    (said,) = findings(stopped)
    assert (said.kind, said.grave) == ("gap_stopped", False)
    assert kinds(findings(every)) == []  # nights are no gaps


def test_a_day_without_any_record_is_always_told() -> None:
    made = [(24 * day + 10, conversion(HUB)) for day in (0, 1, 2, 5)]
    (found,) = findings(made)
    assert (found.kind, found.grave, found.amounts["length"]) == ("gap", False, Seconds(72 * 3_600))


def test_the_clock_may_stand_still_but_not_go_back() -> None:
    assert findings([(1, conversion(HUB)), (1, conversion(HUB))]) == []
    (found,) = findings([(1, conversion(HUB)), (1 - 1 / 3_600, conversion(HUB))])
    assert (found.kind, found.grave, found.first, found.last) == ("clock_back", True, 1, 2)
    assert found.amounts["back"] == Seconds(1)


def test_a_start_without_a_stop_is_a_crash_but_the_first_start_is_none() -> None:
    start, stop = records.Start(version="0.1.0", pid=1, roles=()), records.Stop(reason="SIGTERM")
    assert kinds(findings([(0, start), (1, stop), (2, start), (3, start)])) == ["crash"]


def test_losses_refused_ledgers_and_repairs_are_always_told() -> None:
    made: list[tuple[float, Record]] = [
        (0, records.AuditLost(reason="No space left on device")),
        (0.1, records.AuditRegained(lost=3)),
        (0.2, records.AuditRegained(lost=0)),
        (0.3, records.LedgerRefused(reason="x")),
        (0.4, records.Repair(removed=9)),
    ]
    assert kinds(findings(made)) == ["audit_lost", "records_lost", "ledger_refused", "repair"]


@given(st.lists(st.integers(min_value=0, max_value=10**6), min_size=usual.FEWEST_DAYS, max_size=60))
def test_at_least_half_of_all_days_are_usual(amounts: list[int]) -> None:
    found = usual_of(amounts)
    assert found is not None
    inside = sum(found.lower <= amount <= found.upper for amount in amounts)
    assert inside * 2 >= len(amounts)


@given(st.lists(st.integers(min_value=1, max_value=10**6), min_size=usual.FEWEST_DAYS, max_size=60))
def test_one_mad_day_does_not_change_what_is_usual(amounts: list[int]) -> None:
    """As a mean and a standard deviation would be changed."""
    before, after = usual_of(amounts), usual_of([*amounts, 10**12])
    assert before is not None
    assert after is not None
    assert after.upper < 10**12
    assert min(amounts) <= after.middle <= max(amounts)


def test_what_chance_does_is_no_burst() -> None:
    assert not stands_out(6, 0.0)
    assert stands_out(7, 0.0)
    assert not stands_out(160, 100.0)
    assert stands_out(161, 100.0)
