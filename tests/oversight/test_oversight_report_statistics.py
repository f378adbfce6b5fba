"""What the log adds up to: numbers known beforehand, a naive sum of anything, and bounds on what is kept."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reportkit import conversion, log, sample

from appliance.audit import records
from appliance.audit.records import Record, decode
from appliance.oversight.report import statistics as counting
from appliance.oversight.report.buckets import buckets, width_for
from appliance.oversight.report.moments import Clock, day_text, days_text, hours_text, weekday_of
from appliance.oversight.report.statistics import Statistics, domain_of
from appliance.oversight.report.tallies import DisclosureKey, Who

HUB = {"role": "hub", "uid": 991, "gid": 991, "pid": 7}
COURT = {"role": "court", "uid": 965, "gid": 965, "pid": 8}
START = datetime(2026, 4, 6, 0, 0, tzinfo=UTC)  # a Monday
ORDER = "ab" * 32


def counted(given_records: list[tuple[float, Record]], **changes: Any) -> Statistics:
    """Statistics of records at these hours after `START`, numbered from 1."""
    made = Statistics(Clock.named("UTC"), **{"disclosing": {"resident", "spin"}, **changes})
    for number, (hours, record) in enumerate(given_records, start=1):
        at = START + timedelta(hours=hours)
        time = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond:06d}Z"
        made.take(msgspec.structs.replace(record, record=number, time=time))
    return made


def refusal(code: str, **changes: Any) -> records.Refusal:
    fields = {**HUB, "code": code, "source": "sspin.B.1", "target": "sspin.E.1", "purpose": None, **changes}
    return records.Refusal(**fields)


def test_a_small_log_adds_up_to_what_was_written_down_before() -> None:
    made = counted(
        [
            (0, records.Start(version="0.1.0", pid=1, roles=("hub",))),
            (9, conversion(HUB, count=10, unknown=2, malformed=1)),
            (9.5, conversion(HUB, ("sspin.B.2", "sspin.E.1"), "tax-assessment", 5)),
            (33, conversion(COURT, ("sspin.B.1", "resident"), "court-order", 3, order=ORDER, reference="case-1")),
            (34, refusal("order_exhausted", **COURT, order=ORDER)),
            (35, refusal("rate_limited")),
            (36, records.HistoryRead(**HUB, source="common", reference="r", found=4)),
            (37, records.StreamClosed(**HUB, source="a", target="b", stream=1, count=2, outcome="client_gone")),
            (38, records.Stop(reason="SIGTERM")),
        ]
    )
    assert (made.records, made.total.count, made.total.converted, made.total.unknown, made.total.malformed) == (
        9,
        18,
        15,
        2,
        1,
    )
    assert made.kinds == Counter(start=1, conversion=3, refusal=2, history_read=1, stream_closed=1, stop=1)
    assert {pair: volume.converted for pair, volume in made.pairs.items()} == {
        ("sspin.B.1", "sspin.E.1"): 7,
        ("sspin.B.2", "sspin.E.1"): 5,
        ("sspin.B.1", "resident"): 3,
    }
    assert {use: held.days for use, held in made.uses.items()} == {
        ("hub", "benefit-check"): {"2026-04-06": 10},
        ("hub", "tax-assessment"): {"2026-04-06": 5},
        ("court", "court-order"): {"2026-04-07": 3},
    }
    first, second = sorted(made.days)
    assert (made.days[first].converted, made.days[second].converted) == (12, 3)
    assert made.days[second].refused == Counter(order_exhausted=1, rate_limited=1)
    assert (made.days[second].lookups, made.days[second].events) == (1, Counter(stop=1))
    assert (made.week[9], made.week[24 + 9], sum(made.week)) == (12, 3, 15)
    assert made.cut_streams == 1
    hub, court = made.callers[Who("hub", 991)], made.callers[Who("court", 965)]
    assert (hub.total.answers, hub.lookups, hub.found, hub.refused) == (2, 1, 4, Counter(rate_limited=1))
    assert [(hour.first, hour.last, hour.count) for hour in hub.hours.values()] == [(2, 3, 15), (6, 6, 0), (7, 7, 0)]
    assert court.refused == Counter(order_exhausted=1)
    used = made.orders[ORDER]
    assert (used.total.count, used.refused, used.pairs) == (
        3,
        Counter(order_exhausted=1),
        {("sspin.B", "resident"), ("sspin.B", "sspin.E")},
    )
    key = DisclosureKey(second, Who("court", 965), "sspin.B", "resident", ORDER)
    assert {one: held.references for one, held in made.disclosures.items()} == {key: ["case-1"]}
    assert [event.kind for event in made.incidents.events] == ["start", "stop"]


def test_the_believable_log_adds_up_to_its_golden_numbers() -> None:
    made = sample().report().statistics
    assert (made.records, made.total.converted, made.total.unknown, made.total.malformed) == (9789, 3795105, 2314, 153)
    assert made.kinds["refusal"] == 88
    assert made.kinds["history_read"] == 1925
    assert len(made.days) == 90
    assert sum(day.converted for day in made.days.values()) == sum(made.week) == made.total.converted
    assert sum(volume.converted for volume in made.pairs.values()) == made.total.converted
    assert sum(use.converted for use in made.uses.values()) == made.total.converted
    assert {str(who.uid): caller.total.count for who, caller in made.callers.items()} == GOLDEN


GOLDEN = {
    "940": 497659,
    "965": 88,
    "971": 0,
    "980": 1225258,
    "981": 1333144,
    "991": 503444,
    "992": 234579,
    "1733": 3400,
}


def test_it_is_the_naive_sum_of_the_same_records() -> None:
    """Counted anew in the plainest way, over the same entries."""
    every = [decode(entry) for entry in log().entries]
    made = sample().report().statistics
    conversions = [one for one in every if isinstance(one, records.Conversion)]
    naive: Counter[tuple[str, str]] = Counter()
    for one in conversions:
        naive[one.role, one.purpose] += one.converted
    assert {use: held.converted for use, held in made.uses.items()} == naive
    refused = Counter(one.code for one in every if isinstance(one, records.Refusal))
    assert Counter({code: sum(n for (_, c), n in made.refusals.items() if c == code) for code in refused}) == refused
    tokyo = timedelta(hours=9)
    by_day: Counter[str] = Counter()
    for one in conversions:
        by_day[f"{datetime.fromisoformat(one.time) + tokyo:%Y-%m-%d}"] += one.converted
    assert {day_text(day): held.converted for day, held in made.days.items() if held.converted} == by_day


def _made(hours: float, uid: int, purpose: str, good: int, bad: tuple[int, int]) -> tuple[float, records.Conversion]:
    unknown, malformed = bad
    count = good + unknown + malformed
    who = {**HUB, "uid": uid}
    return hours, conversion(who, purpose=purpose, count=count, unknown=unknown, malformed=malformed)


_numbers = st.integers(min_value=0, max_value=50)
_conversions = st.builds(
    _made,
    st.floats(min_value=0, max_value=500),
    st.integers(min_value=0, max_value=3),
    st.sampled_from(["benefit-check", "linking"]),
    _numbers,
    st.tuples(_numbers, _numbers),
)


@given(st.lists(_conversions, max_size=40))
def test_every_way_of_adding_up_gives_the_same_total(made: list[tuple[float, records.Conversion]]) -> None:
    result = counted(sorted(made, key=lambda one: one[0]))
    wanted = tuple(sum(getattr(one, name) for _, one in made) for name in ("converted", "unknown", "malformed"))
    for held in (
        [result.total],
        result.days.values(),
        result.pairs.values(),
        result.uses.values(),
        [caller.total for caller in result.callers.values()],
        [hour for caller in result.callers.values() for hour in caller.hours.values()],
    ):
        found = tuple(sum(getattr(one, name) for one in held) for name in ("converted", "unknown", "malformed"))
        assert found == wanted
    assert sum(result.week) == wanted[0]


def test_only_the_period_counts_but_who_was_there_before_is_known() -> None:
    day = START.date().toordinal()
    stranger = {**HUB, "uid": 1}
    made = counted(
        [
            (1, conversion(HUB)),
            (25, conversion(HUB, count=2)),
            (26, conversion(stranger)),
            (49, conversion(HUB, count=4)),
        ],
        period=(day + 1, day + 1),
    )
    assert (made.records, made.total.count) == (2, 3)
    assert (made.callers[Who("hub", 991)].before, made.callers[Who("hub", 1)].before) == (True, False)
    assert (made.log_began, made.log_ended) == (day, day + 2)
    assert list(made.days) == [day + 1]


def test_what_a_log_names_too_much_of_is_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MOST_CALLERS", 3)
    monkeypatch.setattr(counting, "MOST_NAMES", 3)
    monkeypatch.setattr(counting, "MOST_ORDERS", 2)
    monkeypatch.setattr(counting, "MOST_DISCLOSURES", 2)
    made = counted(
        [
            (
                number / 10,
                conversion(
                    {**HUB, "uid": number},
                    ("sspin.B.1", "resident"),
                    f"purpose-{number}",
                    order=f"{number:064x}",
                ),
            )
            for number in range(20)
        ]
    )
    assert len(made.callers) == 4
    assert made.callers[counting.NOBODY].total.count == 17
    assert made.uses[counting.REST, counting.REST].count == 17
    assert made.orders[counting.REST].total.count == 18
    assert len(made.disclosures) == 3
    assert sum(one.total.count for one in made.disclosures.values()) == made.total.count == 20


def test_a_time_that_no_calendar_has_is_refused_and_changes_nothing() -> None:
    made = counted([(1, conversion(HUB))])
    for time in ("2026-13-45T00:00:00.000000Z", "0000-00-00T00:00:00.000000Z"):
        with pytest.raises(ValueError, match=r"month|year|isoformat"):
            made.take(msgspec.structs.replace(conversion(HUB), record=2, time=time))
    tokyo = Statistics(Clock.named("Asia/Tokyo"))
    with pytest.raises(ValueError, match="cannot be told in Asia/Tokyo"):
        tokyo.take(msgspec.structs.replace(conversion(HUB), record=1, time="9999-12-31T23:00:00.000000Z"))
    assert (made.records, tokyo.records) == (1, 0)


def test_domains_are_told_from_generations() -> None:
    assert [domain_of(name) for name in ("sspin.C.2", "spin.1", "resident", "sspin.B", "nonsense.0")] == [
        "sspin.C",
        "spin",
        "resident",
        "sspin.B",
        "nonsense.0",
    ]


@pytest.mark.parametrize(("days", "width"), [(1, 1), (190, 1), (191, 7), (1_330, 7), (1_331, 28), (100_000, 532)])
def test_bars_are_days_while_there_is_room(days: int, width: int) -> None:
    first = START.date().toordinal()
    assert width_for(first, first + days - 1) == width
    made = buckets({}, first, first + days - 1)
    assert len(made) <= 190
    assert (made[0].first, made[-1].last) == (first, first + days - 1)


def test_bars_hold_what_their_days_hold() -> None:
    made = counted([(24 * day, conversion(HUB, count=day + 1)) for day in range(200)])
    first = START.date().toordinal()
    bars = buckets(made.days, first, first + 199)
    assert [bar.day.converted for bar in bars[:2]] == [28, 77]
    assert sum(bar.day.converted for bar in bars) == made.total.converted


def test_days_and_hours_are_told_as_people_tell_them() -> None:
    day = START.date().toordinal()
    assert weekday_of(day) == START.weekday() == 0
    assert days_text(day, day) == "2026-04-06"
    assert days_text(day, day + 2) == "2026-04-06 – 2026-04-08"
    assert hours_text(day * 24 + 2, day * 24 + 3) == "2026-04-06 02:00–04:00"
    assert hours_text(day * 24 + 23, day * 24 + 23) == "2026-04-06 23:00–24:00"
    assert hours_text(day * 24 + 22, day * 24 + 27) == "2026-04-06 22:00–2026-04-07 04:00"
