"""What people do not recognise, on the report: each beside its conversion, proven, counted once, and asked about."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from logkit import HUB, Log
from reportkit import MARKS, log, sample
from reportreading import read

from appliance.audit import records
from appliance.audit.records import Conversion, NotRecognised, decode
from appliance.bilingual import Language
from appliance.oversight import trust as trusts
from appliance.oversight.authentic import AuthenticTree
from appliance.oversight.copy import Copy
from appliance.oversight.report import sections_marks, unusual_marks
from appliance.oversight.report import statistics as counting
from appliance.oversight.report.findings import Facts, Finding
from appliance.oversight.report.make import Report, Wanted, make
from appliance.oversight.report.marks import Recalled, recalled
from appliance.oversight.report.moments import Clock
from appliance.oversight.report.statistics import Statistics
from appliance.oversight.report.tallies import Marked, Who
from appliance.oversight.report.words import LANGUAGES, Words
from appliance.tlog.tiles import ENTRIES, tile_of

PORTAL = {**HUB, "role": "portal"}
NOW = datetime(2026, 5, 1, tzinfo=UTC)


def said(marked: int, reference: str = "r") -> NotRecognised:
    return NotRecognised(**PORTAL, source="sspin.B.1", marked=marked, reference=reference)


@pytest.fixture
def started() -> Log:
    made = Log()
    made.start()
    return made


def report(made: Log, folder: Path, language: Language = "en", **wanted: object) -> Report:
    return make(made.write(folder / "copy"), made.book.anchor, Wanted(language, **wanted), now=NOW)  # type: ignore[arg-type]


def table(found: Report) -> list[tuple[str, ...]]:
    """What of the page's words the section has, by the conversions that it names."""
    return [
        (str(one.said.record), str(one.said.marked), one.conversion.reference if one.conversion else "")
        for one in found.evidence.marks
    ]


def test_each_mark_stands_beside_its_conversion_the_newest_first(tmp_path: Path, started: Log) -> None:
    first, second = started.convert(), started.convert(5)
    started.grow(600)
    late = started.convert()
    marks = [started.add(said(one)) for one in (second, late, first)]
    found = report(started, tmp_path)
    assert table(found) == [
        (str(marks[2]), str(first), f"case-{first}"),
        (str(marks[1]), str(late), f"case-{late}"),
        (str(marks[0]), str(second), f"case-{second}"),
    ]
    assert all(one.conversion is not None and one.conversion.record == one.said.marked for one in found.evidence.marks)


def test_the_same_record_marked_again_is_one_and_displaces_nobody(tmp_path: Path, started: Log) -> None:
    first, second = started.convert(), started.convert()
    started.add(said(first, "one"))
    for number in range(3):
        last = started.add(said(second, f"again {number}"))
    found = report(started, tmp_path)
    again, other = found.evidence.marks
    assert (again.said.record, again.said.times, again.said.reference) == (last, 3, "again 2")
    assert (other.said.marked, other.said.times) == (first, 1)
    assert found.statistics.kinds["not_recognised"] == 4
    assert "3 times in all" in read(found.page).words


def test_what_is_kept_is_bounded_and_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MOST_MARKS", 3)
    made = Statistics(Clock.named("UTC"))
    for number, marked in enumerate((1, 2, 3, 1, 4, 4, 4, 5), start=10):
        time = f"2026-04-06T00:00:{number:02d}.000000Z"
        made.take(msgspec.structs.replace(said(marked), record=number, time=time))
    assert [(one.marked, one.record, one.times) for one in made.marks] == [(1, 13, 2), (4, 16, 3), (5, 17, 1)]
    assert made.kinds == Counter(not_recognised=8)
    assert made.callers[Who("portal", HUB["uid"])].last.record == 17
    assert made.days[min(made.days)].events == Counter()


def test_only_marks_of_the_period_count(tmp_path: Path, started: Log) -> None:
    first = started.convert()
    started.add(said(first))
    started.clock = datetime(2026, 4, 10, tzinfo=UTC)
    at = started.add(said(first))
    found = report(started, tmp_path, first=datetime(2026, 4, 9, tzinfo=UTC).date())
    assert [(one.said.record, one.said.times) for one in found.evidence.marks] == [(at, 1)]


def test_what_is_no_conversion_of_the_copy_is_said_to_be_missing(tmp_path: Path, started: Log) -> None:
    """A refusal, a mark, a record that is not there yet: none of them is shown as if it were what was marked."""
    refusal = records.Refusal(**HUB, code="pair_denied", source=None, target=None, purpose=None)
    marks = [started.add(said(one)) for one in (started.add(refusal), started.size + 1, 10**9, 1)]
    found = report(started, tmp_path)
    assert [one.conversion for one in found.evidence.marks] == [None] * 4
    (gone,) = [one for one in found.findings if one.kind == "marked_gone"]
    assert (gone.grave, gone.amounts["count"], gone.first, gone.last) == (False, 4, marks[0], marks[-1])
    assert "not in this copy" in read(found.page).words


def test_a_record_in_anothers_place_is_not_what_was_marked(tmp_path: Path, started: Log) -> None:
    at = started.convert()
    started.append(started.entries[-1])  # says that it is the one before
    started.add(said(at + 1))
    assert [one.conversion for one in report(started, tmp_path).evidence.marks] == [None]


def test_a_pruned_conversion_is_said_to_be_missing(tmp_path: Path, started: Log) -> None:
    first = started.convert()
    started.grow(600)
    started.add(said(first))
    started.add(records.Pruned(first=257))
    folder = started.write(tmp_path / "copy")
    (folder / tile_of(ENTRIES, 0, started.size).path).unlink()
    found = make(folder, started.book.anchor, Wanted(), now=NOW)
    assert [one.conversion for one in found.evidence.marks] == [None]


def test_what_is_not_proven_is_not_shown(tmp_path: Path, started: Log) -> None:
    """A conversion altered in the copy is none; the page says so at its top."""
    first = started.convert(reference="an honest case")
    started.grow(600)
    started.add(said(first))
    folder = started.write(tmp_path / "copy")
    bundle = folder / tile_of(ENTRIES, 0, started.size).path
    bundle.write_bytes(bundle.read_bytes().replace(b"an honest case", b"another case !"))
    found = make(folder, started.book.anchor, Wanted(), now=NOW)
    assert not found.evidence.sound
    assert [one.conversion for one in found.evidence.marks] == [None]
    assert recalled(None, found.statistics.marks) == (Recalled(found.statistics.marks[0], None),)


def test_each_bundle_is_read_once(tmp_path: Path, started: Log) -> None:
    started.grow(600)
    copy = Copy(started.write(tmp_path / "copy"))
    trust = trusts.of(copy.ledger(), started.book.anchor)
    read: list[str] = []

    def fetch(tile: object) -> bytes:
        read.append(tile.path)  # type: ignore[attr-defined]
        return copy.tile(tile)  # type: ignore[arg-type]

    tree = AuthenticTree(fetch, trusts.verify(copy.checkpoint(), trust).checkpoint)
    who = Who("portal", 1)
    marks = [Marked(600 + one, "2026-04-06T00:00:00.000000Z", who, "common", one, "r", 1) for one in range(10, 590)]
    assert all(one.conversion is not None for one in recalled(tree, marks))
    assert Counter(path for path in read if "entries" in path).most_common(1)[0][1] == 1


# --- what stands out --------------------------------------------------------------------------------------------------


def judged(*made: tuple[float, str, int]) -> list[Finding]:
    """What is found of marks: the day of each, the purpose of what is marked, and that record."""
    clock = Clock.named("UTC")
    marks = []
    for number, (day, purpose, marked) in enumerate(made, start=100):
        time = f"2026-04-{int(day):02d}T{int(day % 1 * 24):02d}:00:00.000000Z"
        fields = {"source": "sspin.B.1", "target": "sspin.E.1", "purpose": purpose, "reference": "r", "count": 1}
        conversion = Conversion(**HUB, **fields, converted=1, malformed=0, unknown=0, record=marked)
        marks.append(Recalled(Marked(number, time, Who("portal", 5), "common.1", marked, "r", 1), conversion))
    return list(unusual_marks.find(Facts(Statistics(clock), {}, tuple(reversed(marks)))))


@pytest.mark.parametrize(
    ("days", "kind"),
    [
        ((1, 1, 1, 1), "marked"),
        ((1, 1, 1, 1, 1), "marked_often"),
        ((1, 2, 3, 4, 7.9), "marked_often"),
        ((1, 2, 3, 4, 8), "marked"),
        ((1, 9, 10, 11, 12, 13), "marked_often"),
        ((1, 5, 9, 13, 17, 21, 25), "marked"),
    ],
)
def test_five_within_a_week_are_asked_about(days: tuple[float, ...], kind: str) -> None:
    assert (unusual_marks.FEWEST, unusual_marks.DAYS) == (5, 7)
    (found,) = judged(*((day, "exchange", number) for number, day in enumerate(days, start=1)))
    assert (found.kind, found.grave) == (kind, kind == "marked_often")
    assert (found.role, found.uids, found.amounts["count"]) == ("hub", (HUB["uid"],), len(days))
    assert (found.first, found.last) == (100, 99 + len(days))


def test_purposes_are_judged_apart() -> None:
    found = judged(*((1, purpose, number) for number, purpose in enumerate(["exchange", "tax"] * 4, start=1)))
    assert [(one.kind, one.amounts["purpose"], one.amounts["count"]) for one in found] == [
        ("marked", "exchange", 4),
        ("marked", "tax", 4),
    ]


def test_without_marks_nothing_is_said(tmp_path: Path, started: Log) -> None:
    started.grow(20)
    found = report(started, tmp_path)
    assert [one for one in found.findings if one.kind.startswith("marked")] == []
    assert Words("en")("lead.marks_none") in read(found.page).words
    assert "not recognised" not in Words("en")("fact.lookups_found", count=0)


# --- the believable log -----------------------------------------------------------------------------------------------


def test_the_believable_logs_marks_are_found_and_told() -> None:
    made = sample().report()
    entries = [decode(entry) for entry in log().entries]
    every = [one for one in entries if isinstance(one, NotRecognised)]
    assert len(every) == len(MARKS)
    for one in made.evidence.marks:
        assert one.conversion == entries[one.said.marked - 1]
    assert [one.said.times for one in made.evidence.marks] == [2, *[1] * (len(MARKS) - 2)]
    (often,) = [one for one in made.findings if one.kind == "marked_often"]
    assert (often.role, often.amounts["purpose"], often.amounts["count"]) == ("hub", "address-change", len(MARKS) - 2)
    (light,) = [one for one in made.findings if one.kind == "marked"]
    assert (light.grave, light.amounts["purpose"], light.amounts["count"]) == (False, "tax-assessment", 1)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_tells_them_in_both_languages(language: Language) -> None:
    t, words = Words(language), read(sample().report(language).page).words
    assert t("section.marks") == {"ja": "記録に覚えがないとの申告", "en": "Marked as not recognised"}[language]
    for key, amounts in (
        ("section.marks", {}),
        ("lead.marks", {"count": len(MARKS), "records": len(MARKS) - 1}),
        ("fact.marked", {"count": len(MARKS)}),
        ("unusual.marked_often", {"purpose": "address-change", "count": 6, "days": 7, "most": 6}),
        ("usual.marked", {}),
    ):
        assert " ".join(t(key, **amounts).split()) in words
    for one in sample().report(language).evidence.marks:
        assert one.conversion is not None
        assert t.number(one.said.marked) in words and one.said.reference in words


def test_more_rows_than_fit_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, started: Log) -> None:
    monkeypatch.setattr(sections_marks, "MOST_ROWS", 3)
    for number in range(5):
        started.add(said(started.convert(), f"row {number}"))
    words = read(report(started, tmp_path).page).words
    assert "and 2 more" in words
    assert [f"row {number}" in words for number in range(5)] == [False, False, True, True, True]
