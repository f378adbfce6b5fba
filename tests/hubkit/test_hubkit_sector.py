"""A sector's own file: its people, its links, its list for inquiry, and what it has asked for."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from appliance.hubkit import linking
from appliance.hubkit.inquiries import Because, State
from appliance.hubkit.intake import Row, Taken
from appliance.hubkit.linking import Linked, Linking, Unmatched
from appliance.hubkit.linkrequests import AlreadyReceived, AnswerTo, Waiting
from appliance.hubkit.register import FourAttributes
from appliance.hubkit.sector import Sector, SectorError, Stored
from appliance.hubkit.standing import standing
from appliance.matching.decision import Outcome

A, B = "135792468", "246813579"
NOW = datetime(2026, 4, 1, 9, 0, 0, tzinfo=UTC)
TO = AnswerTo("r-1", "q" * 64, "a" * 64)


def person(name: str) -> FourAttributes:
    return FourAttributes(name, "一番町1-2", "1970-01-31", "男")


def unmatched(existing: str, reason: str = linking.NO_RESIDENT) -> Unmatched:
    return Unmatched(existing, Outcome.NOT_FOUND, (reason,))


def linked(*pairs: tuple[str, str]) -> Linking:
    return Linking("sspin.C.1", tuple(Linked(*pair) for pair in pairs), ())


def in_vain(*existing: str) -> Linking:
    return Linking(None, (), tuple(unmatched(one) for one in existing))


def asked(sector: Sector, **which: bool) -> list[str]:
    return [request.existing for request in sector.requests(**which)]


def accept(taken: Taken) -> None: ...


@pytest.fixture
def sector(tmp_path: Path) -> Iterator[Sector]:
    with Sector("C", tmp_path / "C.sqlite", lambda: NOW) as one:
        one.enter([(A, person("A")), (B, person("B"))])
        yield one


class TestLinks:
    def test_the_schemes_sample_numbers_are_stored_and_found(self, sector: Sector) -> None:
        assert sector.store(linked((A, "369PQRST246"))) == Stored(1, 0, 0)
        assert sector.existing_of("369PQRST246") == A
        assert sector.generation == "sspin.C.1"
        assert asked(sector) == [B]

    def test_two_generations_are_never_mixed(self, sector: Sector) -> None:
        sector.store(linked((A, "369PQRST246")))
        with pytest.raises(SectorError, match=r"holds numbers of sspin\.C\.1, these are of sspin\.C\.2; nothing was"):
            sector.store(Linking("sspin.C.2", (Linked(B, "XXXXXXXXXXX"),), ()))
        assert list(sector.links()) == [(A, "369PQRST246")]

    @pytest.mark.parametrize("pairs", [[(A, "XXXXXXXXXXX")], [(B, "XXXXXXXXXXX"), (B, "YYYYYYYYYYY")]])
    def test_nobody_is_linked_twice_and_nothing_half(self, sector: Sector, pairs: list[tuple[str, str]]) -> None:
        sector.store(linked((A, "369PQRST246")))
        with pytest.raises(SectorError, match="is there twice or linked already; nothing was stored"):
            sector.store(Linking("sspin.C.1", linked(*pairs).linked, (unmatched(B),)))
        assert list(sector.links()) == [(A, "369PQRST246")]
        assert list(sector.inquiries()) == []

    def test_two_records_of_one_person_are_for_a_clerk(self, sector: Sector) -> None:
        sector.store(linked((A, "369PQRST246")))
        assert sector.store(linked((B, "369PQRST246"))) == Stored(0, 1, 0)
        assert list(sector.links()) == [(A, "369PQRST246")]
        (one,) = sector.inquiries()
        assert (one.existing, one.reasons, one.same_as) == (B, ("already_linked",), A)
        with pytest.raises(SectorError, match="is there twice or linked already; nothing was stored"):
            sector.store(linked(("3", "X"), ("4", "X")))

    def test_nobody_else_is_linked(self, sector: Sector) -> None:
        with pytest.raises(SectorError, match="nothing was stored"):
            sector.store(linked(("999", "369PQRST246")))
        assert list(sector.links()) == []

    def test_people_and_records(self, sector: Sector) -> None:
        with pytest.raises(SectorError, match="an existing number is taken; nothing was stored"):
            sector.enter([("3", person("C")), (A, person("D"))])
        assert asked(sector) == [A, B]
        sector.keep("pension", [(A, "old"), (A, "new")])
        assert sector.data(A, "pension") == "new"
        with pytest.raises(SectorError, match="a record is about nobody here"):
            sector.keep("pension", [("999", "x")])


class TestInquiries:
    def test_an_inquiry_ends_when_the_person_is_linked(self, sector: Sector) -> None:
        sector.store(in_vain(A))
        (one,) = sector.inquiries()
        assert (one.existing, one.outcome, one.reasons) == (A, "not_found", ("no_resident",))
        assert (one.since, one.asked, one.state) == ("2026-04-01T09:00:00Z", 1, State.OPEN)
        assert "135792468" not in repr(one)
        with pytest.raises(SectorError, match="sector C has no linkage numbers yet"):
            _ = sector.generation
        sector.store(linked((A, "369PQRST246")))
        assert list(sector.inquiries()) == []

    def test_how_often_somebody_was_asked_about_is_counted(self, sector: Sector) -> None:
        for reason in (linking.NO_RESIDENT, linking.SEVERAL_RESIDENTS):
            sector.store(Linking(None, (), (unmatched(A, reason),)))
        (one,) = sector.inquiries()
        assert (one.asked, one.reasons) == (2, ("several_residents",))
        assert [found.existing for found, _ in sector.inquiry_list.every("several_residents")] == [A]
        assert list(sector.inquiry_list.every("several")) == [], "a part of a reason is none"

    def test_corrected_people_are_asked_about_again_and_what_was_before_is_kept(self, sector: Sector) -> None:
        sector.store(in_vain(A, B))
        taken = sector.intake.correct(
            [Row(1, A, person("A")), Row(2, B, person("B II")), Row(3, "9", person("X"))], accept
        )
        assert (taken.new, taken.changed, taken.same, taken.left_out) == (0, 1, 1, ((3, "unknown"),))
        assert asked(sector, corrected=True) == [B]
        assert asked(sector) == [A, B]
        assert [one.state for one in sector.inquiries()] == [State.OPEN, State.CORRECTED]
        assert list(sector.rows("SELECT existing, name, until FROM former")) == [(B, "B", "2026-04-01T09:00:00Z")]
        sector.store(in_vain(B))
        assert asked(sector, corrected=True) == []

    def test_closed_people_are_not_asked_about_until_reopened(self, sector: Sector) -> None:
        sector.store(in_vain(A))
        sector.inquiry_list.close(A, Because.DECEASED)
        assert asked(sector) == [B]
        assert next(sector.inquiries()).because is Because.DECEASED
        with pytest.raises(SectorError, match="sector C: the inquiry is closed"):
            sector.inquiry_list.close(A, Because.MOVED_ABROAD)
        assert sector.store(linked((A, "369PQRST246"))) == Stored(0, 0, 1)
        assert list(sector.links()) == []
        sector.inquiry_list.reopen(A)
        assert asked(sector) == [A, B]
        with pytest.raises(SectorError, match="sector C: the inquiry is open"):
            sector.inquiry_list.reopen(A)

    def test_closing_needs_an_inquiry_and_for_other_reasons_a_note(self, sector: Sector) -> None:
        with pytest.raises(SectorError, match="there is no inquiry about this person"):
            sector.inquiry_list.close(A, Because.DECEASED)
        sector.store(in_vain(A))
        for note in (None, "", "x" * 201, "two\nlines"):
            with pytest.raises(SectorError, match="the reason needs a note in one line of at most 200 characters"):
                sector.inquiry_list.close(A, Because.OTHER, note)
        sector.inquiry_list.close(A, Because.OTHER, "書類　待ち")
        assert next(sector.inquiries()).note == "書類　待ち"


class TestLoading:
    def test_what_is_new_changed_the_same_and_there_twice(self, sector: Sector) -> None:
        rows = [
            Row(2, A, person("A")),
            Row(3, B, person("B II")),
            Row(4, "3", person("C")),
            Row(5, "4", person("D")),
            Row(6, "4", person("D")),
        ]
        taken = sector.intake.load(rows, accept)
        assert taken == Taken(new=1, changed=1, same=1, left_out=((5, "twice"), (6, "twice")))
        assert [(one.existing, one.attributes.name) for one in sector.requests()] == [
            ("135792468", "A"),
            (B, "B"),
            ("3", "C"),
        ]
        assert sector.intake.load(rows, accept, update=True) == Taken(0, 1, 2, ((5, "twice"), (6, "twice")))
        assert [one.attributes.name for one in sector.requests()] == ["A", "B II", "C"]

    def test_what_is_not_accepted_is_not_there(self, sector: Sector) -> None:
        def refuse(taken: Taken) -> None:
            raise ValueError(taken.new)

        for _ in range(2):
            with pytest.raises(ValueError, match="^1$"):
                sector.intake.load([Row(2, "3", person("C"))], refuse)
        assert asked(sector) == [A, B]
        assert list(sector.rows("SELECT name FROM sqlite_schema WHERE name = 'staged'")) == []


class TestRequests:
    def test_nobody_is_asked_about_twice_at_once(self, sector: Sector) -> None:
        sector.link_requests.begin("r-1", TO.request, [A])
        assert asked(sector) == [B]
        assert sector.link_requests.waiting() == [Waiting("r-1", "2026-04-01T09:00:00Z", 1)]
        sector.link_requests.cancel("r-1")
        assert asked(sector) == [A, B]
        for act in (
            lambda: sector.link_requests.cancel("r-1"),
            lambda: sector.link_requests.cancel("r-2"),
            lambda: sector.link_requests.begin("r-1", "x", [A]),
            lambda: sector.link_requests.begin("r-3", "x", ["999"]),
        ):
            with pytest.raises(SectorError):
                act()
        assert sector.link_requests.waiting() == []

    def test_an_answer_is_taken_once(self, sector: Sector) -> None:
        sector.link_requests.begin("r-1", TO.request, [A])
        assert sector.store(linked((A, "369PQRST246")), TO) == Stored(1, 0, 0)
        with pytest.raises(AlreadyReceived, match="received before, at 2026-04-01T09:00:00Z; nothing was changed"):
            sector.store(linked((A, "369PQRST246")), TO)
        with pytest.raises(SectorError, match="r-1 that it answers is answered since 2026"):
            sector.store(linked((A, "OTHERNUMBER")), AnswerTo("r-1", TO.request, "b" * 64))

    @pytest.mark.parametrize(
        ("to", "said", "message"),
        [
            (
                AnswerTo("r-9", TO.request, "a"),
                linked((A, "X1")),
                "r-9 that it answers was never made; nothing",
            ),
            (AnswerTo("r-1", "z" * 64, "a"), linked((A, "X1")), "another file than the request r-1 made here; nothing"),
            (TO, linked((B, "X1")), "not about exactly the 1 people of the request r-1; nothing was stored"),
            (TO, linked((A, "X1"), (B, "X2")), "not about exactly the 1 people"),
            (TO, Linking(None, (), (unmatched(A), unmatched(A))), "not about exactly the 1 people"),
            (TO, Linking(None, (), ()), "not about exactly the 1 people"),
        ],
    )
    def test_another_answer_is_not(self, sector: Sector, to: AnswerTo, said: Linking, message: str) -> None:
        sector.link_requests.begin("r-1", TO.request, [A])
        with pytest.raises(SectorError, match=message):
            sector.store(said, to)
        assert list(sector.links()) == list(sector.inquiries()) == []
        assert sector.store(linked((A, "369PQRST246")), TO) == Stored(1, 0, 0)

    @pytest.mark.parametrize("reopened", [False, True])
    def test_an_answer_about_somebody_closed_counts_only_if_reopened(self, sector: Sector, reopened: bool) -> None:
        sector.store(in_vain(A))
        sector.link_requests.begin("r-1", TO.request, [A])
        sector.inquiry_list.close(A, Because.MOVED_ABROAD)
        if reopened:
            sector.inquiry_list.reopen(A)
            assert asked(sector) == [B], "the request waits still"
        assert sector.store(linked((A, "369PQRST246")), TO) == Stored(reopened, 0, not reopened)

    def test_a_number_for_what_somebody_was_before_is_not_stored(self, sector: Sector) -> None:
        sector.link_requests.begin("r-1", TO.request, [A, B])
        sector.intake.correct([Row(1, A, person("A II"))], accept)
        assert asked(sector) == [A], "asked about again at once"
        assert sector.store(linked((A, "OFSOMEBODY1"), (B, "369PQRST246")), TO) == Stored(1, 0, 1)
        assert list(sector.links()) == [(B, "369PQRST246")]
        assert asked(sector) == [A]


class TestTheFile:
    def test_it_is_the_owners_alone_and_stays(self, tmp_path: Path, sector: Sector) -> None:
        assert (tmp_path / "C.sqlite").stat().st_mode & 0o777 == 0o600
        with Sector(None, tmp_path / "C.sqlite") as again:
            assert len(list(again.requests())) == 2
            assert again.domain == "sspin.C"

    def test_what_is_no_sector_file_is_refused(self, tmp_path: Path, sector: Sector) -> None:
        with pytest.raises(SectorError, match="is the file of sector C, not of D"):
            Sector("D", tmp_path / "C.sqlite")
        with pytest.raises(SectorError, match=r"there is no sector file\n  → `appliance sector load --sector LETTER`"):
            Sector(None, tmp_path / "nothing")
        (tmp_path / "text").write_text("no database " * 100)
        with pytest.raises(SectorError, match="file is not a database"):
            Sector("C", tmp_path / "text")
        with sqlite3.connect(tmp_path / "other") as other:
            other.execute("CREATE TABLE person (existing TEXT)")
        other.close()
        for letter in ("C", None):
            with pytest.raises(SectorError, match="not a sector file of this version"):
                Sector(letter, tmp_path / "other")

    def test_another_process_that_writes_is_waited_for_or_told(self, tmp_path: Path, sector: Sector) -> None:
        sector.db.execute("PRAGMA busy_timeout = 10")
        with (
            Sector("C", tmp_path / "C.sqlite") as other,
            other.writing("x"),
            pytest.raises(SectorError, match=r"C\.sqlite: database is locked"),
        ):
            sector.store(in_vain(A))
        sector.store(in_vain(A))

    def test_threads_take_turns(self, sector: Sector) -> None:
        def keep(number: int) -> None:
            for turn in range(20):
                sector.keep(f"item-{number}", [(A, f"{turn}")])

        threads = [threading.Thread(target=keep, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [sector.data(A, f"item-{number}") for number in range(4)] == ["19"] * 4


class Clerks(RuleBasedStateMachine):
    """Any order of what clerks do: everybody is always in one place, and nobody closed or linked is asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.sector = Sector("C", Path(self.folder.name) / "C.sqlite", lambda: NOW)
        self.sector.db.execute("PRAGMA synchronous = OFF")
        self.people = [str(number) for number in range(5)]
        self.sector.enter((one, person(one)) for one in self.people)
        self.made = 0
        self.waiting: dict[AnswerTo, list[str]] = {}

    def teardown(self) -> None:
        self.sector.close()
        self.folder.cleanup()

    @rule(corrected=st.booleans(), most=st.integers(1, 5))
    def request(self, corrected: bool, most: int) -> None:
        people = asked(self.sector, corrected=corrected)[:most]
        if people:
            self.made += 1
            to = AnswerTo(f"r-{self.made}", f"q{self.made}", f"a{self.made}")
            self.sector.link_requests.begin(to.reference, to.request, people)
            self.waiting[to] = people

    @rule(data=st.data())
    def receive(self, data: st.DataObject) -> None:
        if self.waiting:
            to = data.draw(st.sampled_from(list(self.waiting)))
            people = self.waiting.pop(to)
            found = data.draw(st.sets(st.sampled_from(people)))
            pairs = tuple(Linked(one, f"N{one}") for one in people if one in found)
            rest = tuple(unmatched(one) for one in people if one not in found)
            done = self.sector.store(Linking("sspin.C.1" if pairs else None, pairs, rest), to)
            assert done.linked + done.inquiries + done.left_out == len(people)
            with pytest.raises(AlreadyReceived):
                self.sector.store(Linking("sspin.C.1" if pairs else None, pairs, rest), to)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.waiting:
            to = data.draw(st.sampled_from(list(self.waiting)))
            del self.waiting[to]
            self.sector.link_requests.cancel(to.reference)

    @rule(one=st.sampled_from("01234"), name=st.sampled_from("XYZ"))
    def correct(self, one: str, name: str) -> None:
        self.sector.intake.correct([Row(1, one, person(name))], accept)

    @rule(one=st.sampled_from("01234"))
    def close_or_reopen(self, one: str) -> None:
        match self.sector.inquiry_list.state(one):
            case State.OPEN | State.CORRECTED:
                self.sector.inquiry_list.close(one, Because.DECEASED)
            case State.CLOSED:
                self.sector.inquiry_list.reopen(one)

    @invariant()
    def everybody_is_in_one_place(self) -> None:
        found = standing(self.sector)
        places = (found.linked, found.new, found.waiting, found.open, found.corrected, found.closed)
        assert sum(places) == found.people == 5
        everybody = asked(self.sector)
        assert len(everybody) == found.new + found.open + found.corrected
        closed = {one.existing for one in self.sector.inquiries() if one.state is State.CLOSED}
        assert not set(everybody) & (closed | {existing for existing, _ in self.sector.links()})
        assert not closed & {existing for existing, _ in self.sector.links()}
        assert set(asked(self.sector, corrected=True)) <= set(everybody)


Clerks.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
TestClerks = Clerks.TestCase
