"""The portal's parts by themselves: words, marks, paging, filters, the file's form."""

from __future__ import annotations

import asyncio
import re
import string
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.bilingual import Text
from appliance.hubkit.history import CosignedTree, History, PastConversion
from appliance.portal import document, paging
from appliance.portal.entries import Filter, record_number
from appliance.portal.marks import Mark, Marks, MarksUnusable
from appliance.portal.naming import PACKAGE, Naming
from appliance.portal.proof import Judged, Standing
from appliance.web.pages import Stop
from appliance.web.wording import LANGUAGES, Words, texts
from tests.world import PROJECT

SOURCES = [*(PROJECT / "appliance" / "portal").rglob("*.py"), *(PROJECT / "appliance" / "portal").rglob("*.j2")]
NOW = datetime(2026, 11, 27, 1, 15, tzinfo=UTC)
EMPTY = History("common.1", 1, b"\0" * 32, "note", (), None)


def conversion(record: int, **changes: str) -> PastConversion:
    facts = {"time": f"2026-11-{record % 27 + 1:02}T15:00:00.000000Z", "role": "hub", "source": "sspin.B.1"}
    facts |= {"target": "sspin.E.1", "purpose": "exchange", "reference": "r", **changes}
    return PastConversion(record=record, entry=b"{}", proof=(b"\1" * 32,), **facts)  # type: ignore[arg-type]


# --- words ----------------------------------------------------------------------------------------


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", sorted(texts(PACKAGE)))
def test_every_text_says_the_same_in_both_languages(key: str) -> None:
    """As far as a machine can tell: both are there, and the same things are filled in."""
    text = texts(PACKAGE)[key]
    assert text.ja.strip() and text.en.strip()
    assert fields(text.ja) == fields(text.en)


def test_every_text_that_is_asked_for_is_there_and_every_one_that_is_there_is_asked_for() -> None:
    code = "\n".join(path.read_text("utf-8") for path in SOURCES)
    named = set(re.findall(r'"((?:portal|home|signin|history|standing|record|mark|export)\.\w+)"', code))
    known = set(texts(PACKAGE))
    assert named <= known
    open_ended = ("standing.", "refused.", "stop.", "domain.", "role.", "purpose.", "page.", "record.tree")
    assert {key for key in known - named if not key.startswith(open_ended)} == set()
    stops = set(re.findall(r'Stop\(\d+, "(\w+)"', code)) | {"busy", "index", "unavailable"}
    assert {f"stop.{one}_{part}" for one in stops for part in ("title", "text", "next")} <= known


def test_what_has_no_name_is_shown_as_it_is_and_nothing_is_hidden_in_it() -> None:
    naming = Naming({"sspin.G": Text(ja="医療", en="health")}, {}, {})
    for language, title in zip(LANGUAGES, ("医療", "health"), strict=True):
        t = Words(language, PACKAGE)
        assert naming.domain(t, "sspin.G.12") == title
        assert naming.domain(t, "sspin.H.1") == "sspin.H"
        assert naming.role(t, "x\u202ey") == "x\\u202ey"
        assert naming.purpose(t, "") == ""


# --- marks ----------------------------------------------------------------------------------------


def test_marks_are_a_persons_own_and_the_first_one_stays(tmp_path: Path) -> None:
    marks = Marks(tmp_path / "m")
    marks.remember("123456789018", 7, 70, NOW)
    marks.remember("123456789018", 7, 71, NOW)
    assert marks.of("123456789018", range(10)) == {7: Mark(70, "2026-11-27T01:15:00Z")}
    assert marks.of("123456789018", (8,)) == marks.of("983205673214", (7,)) == {}
    marks.close()
    again = Marks(tmp_path / "m")
    assert again.of("123456789018", (7,)) == {7: Mark(70, "2026-11-27T01:15:00Z")}
    again.close()


def test_a_file_that_marks_cannot_be_in(tmp_path: Path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.touch(mode=0o644)
    other = tmp_path / "other"
    other.touch(mode=0o600)
    other.write_bytes(b"something else" * 100)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "m")
    for path, why in (
        (open_to_all, "not a file of its owner's alone"),
        (link, "not a file of its owner's alone"),
        (other, "file is not a database"),
        (tmp_path / "no" / "m", "No such file or directory"),
    ):
        with pytest.raises(MarksUnusable, match=re.escape(f"marks {path}: {why}")):
            Marks(path)


# --- paging ---------------------------------------------------------------------------------------


class Log:
    """One person's conversions, answered as the appliance does. ``asked``: how many were asked for, each time."""

    def __init__(self, records: list[PastConversion]) -> None:
        self._records = sorted(records, key=lambda one: -one.record)
        self.asked: list[int] = []

    async def __call__(self, limit: int, before: int | None) -> Judged:
        self.asked.append(limit)
        found = [one for one in self._records if before is None or one.record < before][:limit]
        history = replace(EMPTY, conversions=tuple(found), before=found[-1].record if len(found) == limit else None)
        return Judged(history, True, {one.record: Standing.PENDING for one in found}, None)


async def walk(log: Log, wanted: Filter) -> list[int]:
    """Every record that a visitor gets to see who goes on to the end."""
    seen: list[int] = []
    before = None
    while True:
        found = await paging.find(log, wanted, before)
        seen += paging.records(found)
        assert len(found.shown) <= paging.ON_A_PAGE
        assert len(found.windows) <= paging.MOST_WINDOWS
        before = found.before
        if before is None:
            return seen


@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), max_size=300),
    st.sampled_from([Filter(), Filter(sector="sspin.E"), Filter(purpose="rare"), Filter("sspin.A", "rare")]),
)
def test_walking_through_shows_each_wanted_record_once(kinds: list[tuple[bool, bool]], wanted: Filter) -> None:
    records = [
        conversion(n, target="sspin.E.1" if e else "sspin.A.2", purpose="rare" if rare else "exchange")
        for n, (e, rare) in enumerate(kinds, 1)
    ]
    expected = [one.record for one in reversed(records) if wanted.takes(one)]
    assert asyncio.run(walk(Log(records), wanted)) == expected


def test_searching_is_bounded_and_can_go_on() -> None:
    log = Log([conversion(n, purpose="rare" if n == 1 else "exchange") for n in range(1, 1_500)])
    found = asyncio.run(paging.find(log, Filter(purpose="rare")))
    assert (found.shown, found.before, log.asked) == ([], 500, [200] * 5)
    assert list(paging.records(asyncio.run(paging.find(log, Filter(purpose="rare"), 500)))) == [1]


def test_a_period_ends_the_search() -> None:
    records = [conversion(n, time=f"20{n:02}-06-15T15:00:00.000000Z") for n in range(10, 40)]
    log = Log(records)
    found = asyncio.run(paging.find(log, Filter(since="2030-06-16", until="2032-06-16")))
    assert [one.record for one, _ in found.shown] == [32, 31, 30]  # 15:00 UTC is the next day in Japan
    assert found.before is None


def test_everything_has_a_limit() -> None:
    log = Log([conversion(n) for n in range(1, 2_500)])
    found = asyncio.run(paging.everything(log, 2_000))
    assert (len(found.shown), found.before, log.asked) == (2_000, 500, [1_000, 1_000])
    assert asyncio.run(paging.everything(log, 5_000)).before is None


@given(st.text(max_size=30))
def test_a_record_in_an_address_has_one_spelling(text: str) -> None:
    try:
        number = record_number(text)
    except Stop as stop:
        assert stop.status == 404
    else:
        assert (str(number), number > 0) == (text, True)


@given(st.dictionaries(st.sampled_from(["sector", "purpose", "since", "until", "other"]), st.text(max_size=20)))
def test_any_filter_is_one_or_is_refused(query: Mapping[str, str]) -> None:
    try:
        made = Filter.of(query)
    except Stop as stop:
        assert stop.status == 400
    else:
        assert re.fullmatch(r"[A-Za-z0-9=&._-]*", made.query)
        made.takes(conversion(3))


# --- the file -------------------------------------------------------------------------------------


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    whole = replace(
        EMPTY,
        conversions=(conversion(9), replace(conversion(4), cosigned_proof=(b"\2" * 32,))),
        before=4,
        cosigned=CosignedTree("other note", 5, b"\3" * 32),
    )
    path = tmp_path / "h.json"
    path.write_bytes(document.write([whole, EMPTY], made=NOW, complete=False))
    assert document.read(path) == (whole, EMPTY)


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "LARGEST_FILE", 10)
    path = tmp_path / "h.json"
    path.write_bytes(b" " * 11)
    with pytest.raises(document.DocumentRefused, match="larger than 10 bytes"):
        document.read(path)
    with pytest.raises(document.DocumentRefused, match="No such file"):
        document.read(tmp_path / "none")
