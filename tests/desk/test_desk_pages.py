"""What the pages say is what log and ledger say, counted here once more and otherwise."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deskkit import CLOCK, seen, spring
from deskpagekit import light, tables, texts
from reportkit import NOW, sample
from reportworld import book

from appliance.audit import records
from appliance.desk.blocks import Facts, Verbatim
from appliance.desk.onerecord import Reader
from appliance.desk.pages import keys, ledger, log, marks, orders, record, use
from appliance.desk.seen import Seen
from appliance.desk.sheets import record_of
from appliance.ledger.chain import verify_entries
from appliance.oversight.copy import Copy
from appliance.oversight.report.blocks import Chart, Matrix
from appliance.oversight.report.marks import Recalled
from appliance.oversight.report.tallies import Marked, Who


@pytest.fixture(scope="module")
def logged() -> list[dict[str, Any]]:
    """Every record of the log, as plain JSON."""
    copy = Copy(sample().folder / "copy")
    return [json.loads(entry) for _, entry in copy.records(copy.head().size)]


def test_every_key_stands_in_the_table_with_its_state_and_age(folder: Path) -> None:
    """Against the ledger, verified here."""
    here = seen(folder)
    state = verify_entries(book().files, book().anchor)[-1].state
    (table,) = tables(keys.keys(here))
    rows = {row[1]: row for row in texts(table)}
    assert set(rows) == {str(made) for made in state.keys}
    for made, key in state.keys.items():
        assert rows[str(made)][2] == key.state.value
        days = (NOW - datetime.fromisoformat(key.since)).days if key.since else None
        if days:
            assert rows[str(made)][3].startswith(f"{days} d")
    assert {row[2] for row in rows.values()} == {"active", "destroyed"}
    picture = next(block.picture for block in keys.keys(here)[0].blocks if isinstance(block, Chart))
    assert picture.count('class="key active"') >= 11


def test_every_entry_stands_in_the_time_line_with_its_actions(folder: Path) -> None:
    here, entries = seen(folder), verify_entries(book().files, book().anchor)
    (section,) = ledger.ledger(here)
    (chart,) = section.blocks
    assert isinstance(chart, Chart)
    assert chart.picture.count("<circle") == len(entries)
    rows = texts(chart.table)
    assert [row[0] for row in rows] == [str(entry.sequence) for entry in reversed(entries)]
    assert [row[2] for row in rows] == [entry.plan.title for entry in reversed(entries)]
    assert [row[5] for row in rows] == [entry.head[:16] for entry in reversed(entries)]
    assert rows[1][3] == "destroy sspin.C.1"
    assert rows[1][4].split(", ") == [one.person.id for one in entries[-2].approvals]


def test_the_heat_map_is_the_sum_of_the_log(folder: Path, logged: list[dict[str, Any]]) -> None:
    sums: Counter[tuple[str, str]] = Counter()
    for one in logged:
        if one["kind"] == "conversion":
            pair = tuple(
                name.rsplit(".", 1)[0] if name[-1].isdigit() else name for name in (one["source"], one["target"])
            )
            sums[pair[0], pair[1]] += one["converted"]
    (matrix,) = [block for section in use.use(seen(folder)) for block in section.blocks if isinstance(block, Matrix)][
        :1
    ]
    columns = [heading.text for heading in matrix.columns]
    shown = {
        (heading.text, column): int(shade.text.replace(",", ""))
        for heading, shades in matrix.rows
        for column, shade in zip(columns, shades, strict=True)
        if shade.text not in ("", "0")
    }
    assert shown == {pair: count for pair, count in sums.items() if count}


def test_refusals_are_counted_by_reason(folder: Path, logged: list[dict[str, Any]]) -> None:
    codes = Counter(one["code"] for one in logged if one["kind"] == "refusal")
    table = list(tables(use.refusals(seen(folder))))[-1]
    assert {row[0]: int(row[1].replace(",", "")) for row in texts(table)} == dict(codes)


def test_refusals_of_today_and_of_the_week(folder: Path, logged: list[dict[str, Any]]) -> None:
    for day in (65, 66, 70):
        now = datetime(2026, 3, 31, 15, tzinfo=UTC) + timedelta(days=day, hours=23)
        local = [
            (now.astimezone(CLOCK.zone).date() - datetime.fromisoformat(one["time"]).astimezone(CLOCK.zone).date()).days
            for one in logged
            if one["kind"] == "refusal"
        ]
        today, week = sum(days == 0 for days in local), sum(0 <= days < 7 for days in local)
        found = light(seen(folder, now=now), "refusals")
        assert (found.value, found.note) == (
            f"{today} request{'' if today == 1 else 's'}",
            f"{week} in the last seven days",
        )
        assert found.judgement == ("plain" if today else "good")


def test_the_findings_are_those_of_the_report(folder: Path) -> None:
    here = seen(folder)
    assert here.view.findings == sample().report("en").findings
    grave = sum(one.grave for one in here.view.findings)
    assert light(here, "unusual").value == f"{grave} to be asked about"
    assert light(here, "unusual").judgement == "wait"


def test_marks_are_shown_beside_what_they_are_about(folder: Path, logged: list[dict[str, Any]]) -> None:
    said = [one for one in logged if one["kind"] == "not_recognised"]
    (table,) = tables(marks.marks(seen(folder)))
    rows = texts(table)
    assert {int(row[2].replace(",", "")) for row in rows} == {one["marked"] for one in said}
    for row in rows:
        about = logged[int(row[2].replace(",", "")) - 1]
        if about["kind"] == "conversion":
            assert row[5] == f"{about['source']} → {about['target']}"
            assert row[4] == about["role"]


def _marked(here: Seen, *held: Recalled) -> Seen:
    evidence = replace(here.view.evidence, marks=held)
    view = replace(here.view, evidence=evidence)
    return replace(here, view=view, standing=replace(here.standing, view=view))


def _mark(about: records.Conversion | None, time: datetime, times: int = 1, marked: int = 7) -> Recalled:
    instant = f"{time:%Y-%m-%dT%H:%M:%S}.000000Z"
    return Recalled(Marked(99, instant, Who("portal", 1), "common", marked, "session", times), about)


def test_how_a_mark_stands(folder: Path) -> None:
    """New or old, once or again, alone or with others about the same caller, under an order, or gone."""
    here = seen(folder)
    copy = Copy(sample().folder / "copy")
    kinds = (records.decode(entry) for _, entry in copy.records(copy.head().size))
    made = next(one for one in kinds if isinstance(one, records.Conversion) and one.order)
    now = here.now
    held = (
        _mark(made, now - timedelta(hours=1), times=3),
        _mark(made, now - timedelta(days=8), marked=8),
        _mark(None, now - timedelta(days=90), marked=9),
    )
    (table,) = tables(marks.marks(_marked(here, *held)))
    standing = [(row[-1].text, row[-1].note) for row in table.rows]
    under = f"2 about conversions by the same caller · converted under the order {str(made.order)[:16]}…"
    assert standing == [("of the last seven days", f"3 times in all · {under}"), ("older", under), ("older", "")]
    assert table.rows[2][3].text == here.t("page.not_here")
    found = light(_marked(here, *held), "marks")
    assert (found.judgement, found.value) == ("wait", "1 in the last seven days")
    assert light(_marked(here), "marks").judgement == "good"


@pytest.mark.parametrize(("hours", "judgement"), [(-1, "early"), (1, "open"), (29 * 24, "open"), (31 * 24, "ended")])
def test_an_order_stands_by_time_and_use(hours: float, judgement: str, folder: Path) -> None:
    """The first case: 48 of 60, from day 20 to day 50."""
    here = seen(folder)
    held = next(one for one in here.view.orders.values() if one.order.case.endswith("第17号"))
    now = datetime.fromisoformat(held.order.not_before) + timedelta(hours=hours)
    assert orders.condition(replace(here, now=now), held) == judgement


def test_an_order_used_beyond_its_limit_comes_first_and_is_an_alarm(folder: Path) -> None:
    here = seen(folder)
    table = next(tables(orders.orders(here)))
    assert [(row[0], row[4], row[5], row[6]) for row in texts(table)] == [
        ("USED BEYOND ITS LIMIT", "37", "25", "0"),
        ("ended", "48", "60", "12"),
    ]
    assert light(here, "orders").judgement == "bad"


def test_cosignatures_are_judged_by_now_against_the_policy(folder: Path) -> None:
    """The policy warns after eight hours and refuses after a day; the oldest is of 13:00 on the last day."""
    here, oldest = seen(folder), datetime(2026, 6, 29, 4, tzinfo=UTC)
    for hours, judgement in ((7.9, "good"), (8.1, "wait"), (23.9, "wait"), (24.1, "bad")):
        now = oldest + timedelta(hours=hours)
        found = light(replace(here, now=now), "cosigned")
        assert found.judgement == judgement, hours
        assert found.note == "warns after 8 h · refuses after 1 d"
        (table,) = [one for one in tables(log.log(replace(here, now=now))) if one.columns[0] == "witness"]
        word = {"good": "fresh", "wait": "late: the daemon warns", "bad": "overdue: the daemon refuses"}[judgement]
        assert texts(table)[2][-1] == word


def test_the_log_page_gives_the_checkpoint_and_what_to_type(folder: Path) -> None:
    here, copy = seen(folder), Copy(sample().folder / "copy")
    sections = {section.name: section for section in log.log(here)}
    facts, note = sections["checkpoint"].blocks
    assert isinstance(facts, Facts)
    assert isinstance(note, Verbatim)
    assert [fact.value for fact in facts.facts] == [
        copy.head().origin,
        f"{copy.head().size:,}",
        copy.head().root.hex(),
    ]
    assert note.text.encode() == copy.checkpoint()
    commands = [block.text for block in sections["commands"].blocks if isinstance(block, Verbatim)]
    socket = here.desk.log.socket
    assert commands[0] == f"appliance oversight export copy --socket {socket} --anchor {sample().anchor}"
    assert commands[1] == f"appliance oversight verify copy --anchor {sample().anchor}"


def test_a_record_page_holds_every_field_and_its_bytes(folder: Path, logged: list[dict[str, Any]]) -> None:
    here, reader = seen(folder), Reader(Copy(sample().folder / "copy"), spring(folder)[1].evidence.trust)
    for kind in {one["kind"] for one in logged}:
        number = next(one["record"] for one in logged if one["kind"] == kind)
        proven = reader.read(number)
        sections = record.record(here.t, proven)
        (table,) = tables(sections)
        shown = [row[1] for row in texts(table)]
        for name, value in logged[number - 1].items():
            told = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            assert value is None or told in shown, (kind, name)
        assert all(here.t.known(f"field.{name}") for name in proven.record.__struct_fields__), kind
        facts = next(block for block in sections[1].blocks if isinstance(block, Facts))
        assert proven.leaf.hex() in [fact.value for fact in facts.facts]


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("1,234", 1_234), ("1,234–1,300", 1_234), ("12345", 12_345), ("–", 0), ("", 0), ("1,23", 0), ("007", 0)],
)
def test_a_cell_that_names_records_leads_to_the_first(text: str, number: int) -> None:
    assert record_of(text) == number
