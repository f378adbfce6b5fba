"""What bench.json becomes: tables and pictures of docs/performance.md; and that page shows every picture there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as Tree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.chart import describe, draw
from tests.bench.docs import HEADS, PAGE, PICTURES, replace_part, write_docs
from tests.bench.figures import SCHEMA, Curve, Figure, Goal, Limit, at_least, at_most
from tests.bench.svg import HEIGHT, WIDTH, Axis, brief
from tests.bench.table import goal, quantity, ratio

TOKEN = Limit("raw token: blocks / 30", 8.0e6)
ENGINE = Figure("engine", "numbers", "engine", 5.0e6, "/s", TOKEN, 0.625, goal=at_least(0.6))
SLOW = Figure("p99", "lanes", "p99 beside a stream", 7.25, "ms", Limit("alone", 1.0), 7.25, True, at_most(5, "value"))
CURVE = Curve(
    "batches",
    "Numbers & <more>",
    "at once",
    "numbers/s",
    {"engine": [(1.0, 2e4), (64.0, 3e5), (8192.0, 5e6)], "text": [(1.0, 9e2), (8192.0, 3e6)]},
    {"token": 8e6},
    {"ff3": 6000.0, "pyffx": 6500.0},
)
DOCUMENT = {
    "schema": SCHEMA,
    "began": "2026-11-27T10:00:00Z",
    "effort": "usual",
    "machine": {"processor": "P", "cores": "2", "memory": "8 GB", "system": "Linux"},
    "versions": {"python": "3.11"},
    "figures": [ENGINE.document(), SLOW.document()],
    "curves": [CURVE.document()],
    "left_out": {},
}


def _elements(svg: str, name: str) -> list[Tree.Element]:
    return Tree.fromstring(svg).findall(f".//{{http://www.w3.org/2000/svg}}{name}")


def test_figures_and_curves_come_back_from_json() -> None:
    for figure in (ENGINE, SLOW, Figure("a", "b", "c", 1.0, "MB")):
        assert Figure.of(json.loads(json.dumps(figure.document()))) == figure
    assert Curve.of(json.loads(json.dumps(CURVE.document()))) == CURVE


@pytest.mark.parametrize(
    ("goal", "value", "ratio", "met"),
    [
        (at_least(0.6), 1.0, 0.6, True),
        (at_least(0.6), 1.0, 0.5999, False),
        (at_least(0.6), 1.0, None, False),
        (at_most(5, "value"), 5.0, None, True),
        (at_most(5, "value"), 5.01, 0.1, False),
        (at_most(1.1), 9.0, 1.1, True),
        (None, 1.0, 1.0, None),
    ],
)
def test_a_goal_is_met_at_its_bound_and_not_beyond(
    goal: Goal | None, value: float, ratio: float | None, met: bool | None
) -> None:
    assert Figure("n", "numbers", "w", value, "/s", TOKEN, ratio, goal=goal).met is met


def test_what_a_person_reads() -> None:
    assert (quantity(5.0e6, "/s"), ratio(ENGINE), goal(ENGINE)) == ("5.00 M/s", "62.5 % of raw token", "✓ ≥ 60 %")
    assert (quantity(7.25, "ms"), ratio(SLOW), goal(SLOW)) == ("7.2 ms", "7.25 × alone", "✗ ≤ 5.0 ms")
    assert [brief(value) for value in (1, 65_536, 1e5, 2e6, 3.7631, 0.05)] == [
        *("1", "65,536", "100 k", "2 M", "3.76", "0.05"),
    ]


def test_tables_are_written_between_their_markers_and_nothing_else_changes(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "a\n<!-- bench: numbers -->\nold\n<!-- /bench -->\nb\n<!-- bench: audit -->\nkept\n<!-- /bench -->\nc\n"
    )
    write_docs(DOCUMENT, page, tmp_path / "pictures")
    assert page.read_text("utf-8") == (
        "a\n<!-- bench: numbers -->\n"
        "| verified conversions B → E | seen | as a ratio | goal |\n| --- | --: | --: | --- |\n"
        "| engine | 5.00 M/s | 62.5 % of raw token | ✓ ≥ 60 % |\n"
        "<!-- /bench -->\nb\n<!-- bench: audit -->\nkept\n<!-- /bench -->\nc\n"
    )
    assert (tmp_path / "pictures" / "batches.svg").read_text("utf-8") == draw(CURVE)
    before = page.read_text("utf-8")
    write_docs(DOCUMENT, page, tmp_path / "pictures")
    assert page.read_text("utf-8") == before
    replace_part("audit", "new \\1\n", page)
    assert page.read_text("utf-8") == before.replace("kept", "new \\1")


def test_another_schema_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"bench: kagimori/bench/v0 is not kagimori/bench/v1"):
        write_docs({**DOCUMENT, "schema": "kagimori/bench/v0"}, tmp_path / "page.md", tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_picture_says_in_words_what_it_shows_and_needs_nothing_else() -> None:
    svg = draw(CURVE)
    (title,), (description,) = _elements(svg, "title"), _elements(svg, "desc")
    assert title.text == "Numbers & <more>"
    assert description.text == describe(CURVE)
    assert "engine: 20 k at 1, 5 M at most (at 8,192), 5 M at 8,192" in describe(CURVE)
    assert "token: 8 M; ff3: 6 k; pyffx: 6,500." in describe(CURVE)
    assert "prefers-color-scheme: dark" in svg
    assert not re.search(r"<script|href|url\(|@import|@font-face", svg)
    assert len(_elements(svg, "polyline")) == 2
    assert len(_elements(svg, "circle")) == 5


def test_names_of_peers_do_not_cover_one_another() -> None:
    texts = [one for one in _elements(draw(CURVE), "text") if (one.text or "").startswith(("ff3", "pyffx"))]
    high, low = sorted(float(one.attrib["y"]) for one in texts)
    assert low - high >= 14


points = st.lists(st.floats(1e-3, 1e9), min_size=1, max_size=20)


@given(xs=points, ys=points, limit=st.floats(1e-3, 1e9))
def test_whatever_was_measured_lies_within_the_picture(xs: list[float], ys: list[float], limit: float) -> None:
    series = sorted(zip(xs, ys, strict=False))
    svg = draw(Curve("c", "t", "x", "y", {"s": series}, {"limit": limit}))
    for circle in _elements(svg, "circle"):
        assert 0 < float(circle.attrib["cx"]) < WIDTH
        assert 0 < float(circle.attrib["cy"]) < HEIGHT
    for line in _elements(svg, "line"):
        assert all(0 <= float(line.attrib[name]) <= WIDTH for name in ("x1", "x2", "y1", "y2"))


@given(points)
def test_ticks_lie_on_the_axis(values: list[float]) -> None:
    axis = Axis(values, 0, 100)
    assert all(-0.001 <= axis.at(tick) <= 100.001 for tick in axis.ticks())


def test_the_page_has_a_place_for_every_table_and_shows_every_picture() -> None:
    text = PAGE.read_text(encoding="utf-8")
    parts = re.findall(r"<!-- bench: (\w+) -->", text)
    assert sorted(parts) == sorted([*HEADS, "machine", "profile"])
    assert text.count("<!-- /bench -->") == len(parts)
    shown = re.findall(r"!\[[^\]]+\]\(performance/(\w+)\.svg\)", text)
    assert sorted(shown) == sorted(path.stem for path in PICTURES.glob("*.svg"))
    for picture in PICTURES.glob("*.svg"):
        assert f'id="{picture.stem}-desc"' in picture.read_text(encoding="utf-8")
