"""The pictures: what is drawn where, and that pictures and tables say the same."""

from __future__ import annotations

import re
from xml.etree import ElementTree as Tree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reportkit import sample
from reportreading import read
from reportworld import book, day_at, order

from appliance.ledger import chain
from appliance.oversight.report import chart_callers, chart_days, chart_fresh, keystory
from appliance.oversight.report.blocks import LEVELS, level_of, part_of
from appliance.oversight.report.buckets import Bucket, buckets
from appliance.oversight.report.chart_time import LEFT, RIGHT, WIDTH, Axis
from appliance.oversight.report.svg import Drawing, nice_ticks
from appliance.oversight.report.tallies import Day
from appliance.oversight.report.usual import Usual
from appliance.oversight.report.witnesses import Witnessed
from appliance.oversight.report.words import Words

FIRST = day_at(0, 12).toordinal()
EN = Words("en")


def shapes(picture: str, look: str, tag: str = "rect") -> list[dict[str, str]]:
    """The elements of a picture that have this class."""
    return [one.attrib for one in Tree.fromstring(picture).iter(tag) if look in one.get("class", "").split()]


def bars(*converted: int, **changes: int) -> list[Bucket]:
    days = {FIRST + number: Day(converted=much, **changes) for number, much in enumerate(converted)}
    return buckets(days, FIRST, FIRST + len(converted) - 1)


def test_bars_are_as_high_as_their_numbers() -> None:
    picture = chart_days.time_line(EN, "x", bars(100, 50, 0, 25), {FIRST + 1}, {FIRST + 3}, lookups=False)
    heights = [float(one["height"]) for one in shapes(picture, "converted")]
    assert heights == [170.0, 85.0, 42.5]
    places = [float(one["x"]) for one in shapes(picture, "converted")]
    assert places == sorted(places)
    assert all(LEFT <= place <= WIDTH - RIGHT for place in places)
    assert "2026-04-01: 100" in picture


def test_days_to_be_asked_about_and_ceremonies_are_marked_in_their_place() -> None:
    made = bars(*([10] * 30))
    picture = chart_days.time_line(EN, "x", made, {FIRST + 4, FIRST + 9}, {FIRST + 9}, lookups=True)
    assert [len(shapes(picture, look, "polygon")) for look in ("ask", "held")] == [2, 1]
    axis = Axis(made)
    middle = axis.x(FIRST + 9) + (axis.x(FIRST + 10) - axis.x(FIRST + 9)) / 2
    points = shapes(picture, "held", "polygon")[0]["points"].split()
    assert float(points[0].split(",")[0]) == pytest.approx(middle, abs=0.02)
    assert len(shapes(picture, "weekend")) == 3 * 8  # behind each of three rows
    page = sample().report().page.decode()
    grave = {one.when[:10] for one in sample().report().findings if one.grave}
    assert page.count('<line class="askline"') == len(grave)
    assert page.count('<polygon class="held"') == 8  # those within the period


def test_refusals_are_stacked_up_to_their_sum() -> None:
    made = bars(0, 0)
    made[0].day.refused.update({"a": 6, "b": 3, "c": 1, "d": 2})
    picture = chart_days.stacked(EN, "x", made, ["a", "b"])
    heights = [float(one["height"]) for kind in range(3) for one in shapes(picture, f"kind{kind}")]
    assert heights == pytest.approx([130 * 6 / 15, 130 * 3 / 15, 130 * 3 / 15], abs=0.01)
    tops = [float(one["y"]) for kind in range(3) for one in shapes(picture, f"kind{kind}")]
    assert tops == sorted(tops, reverse=True)


def test_a_callers_days_beyond_the_threshold_are_drawn_otherwise() -> None:
    amounts = {FIRST: 10, FIRST + 1: 12, FIRST + 2: 90}
    picture = chart_callers.spark("hub", amounts, FIRST, FIRST + 9, Usual(20, 11.0, 1.0))
    assert [len(shapes(picture, look)) for look in ("converted", "beyond")] == [2, 1]
    assert len(shapes(picture, "ask", "polygon")) == 1
    assert len(shapes(picture, "usual", "line")) == 1
    assert "beyond" not in chart_callers.spark("hub", amounts, FIRST, FIRST + 9, None)


def test_the_needle_stands_where_the_age_is() -> None:
    held = [Witnessed("w", "Ed25519", 1_000, 5), Witnessed("v", "Ed25519", 500, 5), Witnessed("u", "Ed25519")]
    picture = chart_fresh.gauge(EN, "x", held, 1_400.0, 600, 1_200)
    needles = [float(one["x1"]) for one in shapes(picture, "needleline", "line")]
    zones = [(float(one["x"]), float(one["width"])) for one in shapes(picture, "zone1")]
    assert len(needles) == 2
    assert needles[0] < zones[0][0] < needles[1] < zones[0][0] + zones[0][1]
    assert zones[0][1] == pytest.approx(600 / 1_500 * 988, abs=0.1)
    assert "warns after 10 min" in picture
    assert "refuses after 20 min" in picture
    future = chart_fresh.gauge(EN, "x", held[:1], 900.0, None, None)
    assert [float(one["x1"]) for one in shapes(future, "needleline", "line")] == [6.0]


def test_a_keys_story_is_that_of_the_ledger() -> None:
    made = book()
    stories = {story.name: story for story in keystory.tell(chain.verify_entries(made.files, made.anchor))}
    assert list(stories) == ["common", "spin", *(f"sspin.{letter}" for letter in "ABCDEF"), "log", "tag"]
    old, new = stories["sspin.C"].keys
    states = ["active", "decrypt-only", "retired", "destroyed"]
    assert [span.state.value for span in old.spans] == states
    assert [span.begins for span in old.spans[1:]] == [span.ends for span in old.spans[:-1]]
    assert [span.begins[:10] for span in old.spans] == ["2026-03-18", "2026-05-04", "2026-05-28", "2026-06-14"]
    assert (old.current, new.current, new.now.ends) == (False, True, None)
    assert [span.state.value for span in stories["sspin.F"].keys[0].spans] == ["active", "suspended", "active"]
    assert [key.current for key in stories["log"].keys] == [False, True]
    assert (stories["tag"].service, stories["spin"].service) == (True, False)


def test_the_keys_picture_has_a_row_for_each_and_a_cross_for_what_is_gone() -> None:
    page = sample().report().page.decode()
    assert page.count('class="gone"') == 2  # the two strokes of one cross
    assert page.count('class="key suspended"') == 2  # in the picture and in its legend
    assert page.count("● current") == 10
    assert len(re.findall(r'<line class="ceremony"', page)) == 11


def test_an_order_beyond_its_limit_stands_out_and_so_does_what_has_none() -> None:
    page = read(sample().report().page)
    marked = [held for tag, held in page.tags if tag == "span" and held.get("class") == "amount mark grave"]
    assert len(marked) == 1
    bars_of_orders = [held["style"] for tag, held in page.tags if tag == "span" and "style" in held]
    assert "width:80.0%" in bars_of_orders  # 48 of 60
    words = page.words
    assert order("令和8年(フ)第17号", 60, 20, 50)[0][:16] in words
    assert "under 2 orders, 3 without an order" in words
    assert '<dl class="tile grave"><dt>numbers disclosed</dt>' in sample().report().page.decode()


def test_the_heat_map_prints_its_counts_and_bars_what_is_not_allowed() -> None:
    page = read(sample().report().page)
    cells = [held["class"] for tag, held in page.tags if tag == "td" and re.match(r"s[0-8]", held.get("class", ""))]
    matrix, week = cells[: -7 * 24], cells[-7 * 24 :]
    assert len(matrix) == 6 * 7
    assert sum("barred" in one for one in matrix) == 6 * 7 - 18
    assert max(week) == max(matrix) == "s8"
    assert {"1,333,100", "497,645", "3"} <= set(page.text)


def test_titles_of_domains_are_those_of_the_ledger_in_the_pages_language() -> None:
    assert "local government" in read(sample().report("en").page).words
    assert "地方" in read(sample().report("ja").page).words
    assert "local government" not in read(sample().report("ja").page).words


@given(st.integers(min_value=0, max_value=10**12), st.integers(min_value=0, max_value=10**12))
def test_more_is_never_lighter(one: int, other: int) -> None:
    largest = max(one, other, 1)
    low, high = sorted((one, other))
    assert level_of(low, largest) <= level_of(high, largest) <= LEVELS
    assert (level_of(low, largest) == 0) == (low == 0)


def test_shades_follow_the_cube_root() -> None:
    assert [level_of(value, 512_000) for value in (512_000, 64_000, 1_000, 1)] == [8, 4, 1, 1]
    assert [part_of(1, 4), part_of(9, 4), part_of(1, 0)] == [0.25, 1.0, 0.0]


@given(st.floats(min_value=0.0001, max_value=1e13))
def test_ticks_are_round_and_reach_the_largest(largest: float) -> None:
    ticks = nice_ticks(largest)
    assert ticks[0] == 0
    assert ticks[-1] >= largest * (1 - 1e-9)
    assert 2 <= len(ticks) <= 8


@given(st.integers(min_value=1, max_value=10**13), st.sampled_from([3, 4]))
@example(10**10 + 1, 3)
def test_ticks_of_numbers_are_whole(largest: int, wanted: int) -> None:
    ticks = nice_ticks(largest, wanted, whole=True)
    assert all(tick == int(tick) for tick in ticks)
    assert largest <= ticks[-1]
    assert 2 <= len(ticks) <= 8


def test_what_is_drawn_is_escaped() -> None:
    drawing = Drawing(10, 10, '"><script>')
    drawing.text(1, 1, "</text><script>")
    drawing.rect(0, 0, -4, 1, "x", "<b>")
    assert "<script>" not in drawing.markup()
    assert 'aria-label="&quot;&gt;&lt;script&gt;"' in drawing.markup()
    assert shapes(drawing.markup(), "x")[0]["width"] == "0"
