"""A sector's numbers after a rotation: all become those of the new generation, or all stay."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.hubkit import rekeying
from appliance.hubkit.answering import Answering
from appliance.hubkit.exchange import Asked, Reply
from appliance.hubkit.exchangebook import ExchangeBook
from appliance.hubkit.exchangeerrors import BookError
from appliance.hubkit.linking import Linked, Linking
from appliance.hubkit.register import FourAttributes
from appliance.hubkit.sector import Sector, SectorError

PEOPLE = [str(number) for number in range(100, 140)]
OLD, NEW = "sspin.E.1", "sspin.E.2"


def number(existing: str, generation: str = NEW) -> str:
    return f"{generation[-1]}NUMBER{existing}"


@pytest.fixture
def sector(tmp_path: Path) -> Iterator[Sector]:
    with Sector("E", tmp_path / "e.sqlite") as sector:
        somebody = FourAttributes("山田 花子", "東京都千代田区1-1", "1980-02-29", "女")
        sector.enter((existing, somebody) for existing in [*PEOPLE, "999"])
        sector.keep("income", ((existing, existing) for existing in PEOPLE))
        sector.store(Linking(OLD, tuple(Linked(existing, number(existing, OLD)) for existing in PEOPLE), ()))
        yield sector


def new_pairs() -> list[tuple[str, str]]:
    return [(existing, number(existing)) for existing in PEOPLE]


def test_every_number_is_the_new_one_and_the_records_stay(sector: Sector) -> None:
    assert rekeying.take(sector, OLD, NEW, new_pairs()) == len(PEOPLE)
    assert sector.generation == NEW
    assert list(sector.links()) == new_pairs()
    assert [reply.data for reply in sector.answer("income", [number(one) for one in PEOPLE])] == PEOPLE
    with pytest.raises(SectorError, match=r"sector E holds numbers of sspin.E.2, not of sspin.E.1"):
        rekeying.take(sector, OLD, NEW, new_pairs())


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (new_pairs()[1:], "1 who are linked are missing and 0 who are not linked are there"),
        ([*new_pairs(), ("999", "ANOTHER")], "0 who are linked are missing and 1 who are not linked are there"),
        ([*new_pairs()[1:], ("999", "ANOTHER")], "1 who are linked are missing and 1 who are not linked are there"),
        ([*new_pairs(), ("100", "ANOTHER")], "somebody or a number is there twice"),
        ([*new_pairs()[1:], ("100", number("101"))], "somebody or a number is there twice"),
        ([], "40 who are linked are missing"),
    ],
)
def test_what_is_not_about_exactly_those_who_are_linked_changes_nothing(
    sector: Sector, pairs: list[tuple[str, str]], words: str
) -> None:
    before = list(sector.links())
    with pytest.raises(SectorError, match=f"{words}.*nothing was stored"):
        rekeying.take(sector, OLD, NEW, pairs)
    assert (sector.generation, list(sector.links())) == (OLD, before)
    assert rekeying.take(sector, OLD, NEW, new_pairs()) == len(PEOPLE), "and it can be done right afterwards"


@pytest.mark.parametrize(
    ("old", "new"),
    [(OLD, OLD), (NEW, OLD), (OLD, "sspin.D.2"), ("sspin.D.1", "sspin.D.2"), (OLD, "sspin.E"), (OLD, "sspin.E.x")],
)
def test_only_from_an_older_to_a_newer_key_of_the_sector(sector: Sector, old: str, new: str) -> None:
    with pytest.raises(SectorError, match="not two generations of sector E's key, the newer one last"):
        rekeying.take(sector, old, new, new_pairs())
    assert sector.generation == OLD


def test_whoever_reads_meanwhile_sees_all_old_numbers_or_all_new_ones(sector: Sector) -> None:
    seen, stop = set(), threading.Event()

    def read() -> None:
        while not stop.is_set():
            for generation in (OLD, NEW):
                replies = sector.answer("income", [number(one, generation) for one in PEOPLE])
                seen.add((generation, sum(reply.data is not None for reply in replies)))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        rekeying.take(sector, OLD, NEW, new_pairs())
    finally:
        stop.set()
        reader.join()
    assert seen <= {(OLD, len(PEOPLE)), (OLD, 0), (NEW, len(PEOPLE)), (NEW, 0)}


def test_a_question_that_is_looked_up_meanwhile_is_not_answered_by_the_other_numbers(
    sector: Sector, tmp_path: Path
) -> None:
    """Else somebody would be said to be unknown who is not; asked again, it is answered."""

    class Rekeying:
        """The sector's records, re-keyed just before they are looked up for the first time."""

        generation = property(lambda self: sector.generation)

        def answer(self, item: str, numbers: Sequence[str]) -> list[Reply]:
            if sector.generation == OLD:
                rekeying.take(sector, OLD, NEW, new_pairs())
            return sector.answer(item, numbers)

    with ExchangeBook("E", tmp_path / "book.sqlite") as book:
        holder = Answering(book, Rekeying())
        until = datetime.now(UTC) + timedelta(days=1)
        terms = ("B", "case-1", "income", "benefit-check", "a law", until)
        with pytest.raises(BookError, match=r"sector E has other numbers than those of sspin\.E\.1"):
            holder.answer(Asked(*terms, OLD, (number("100", OLD),)))
        assert holder.ready("B", "case-1")
        (reply,) = holder.answer(Asked(*terms, NEW, (number("100"),)))
        assert reply.data == "100"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs=st.lists(st.tuples(st.sampled_from([*PEOPLE[:4], "999"]), st.sampled_from("VWXYZ")), max_size=6))
def test_any_table_is_taken_whole_or_not_at_all(tmp_path: Path, pairs: list[tuple[str, str]]) -> None:
    path = tmp_path / "any.sqlite"
    path.unlink(missing_ok=True)
    with Sector("E", path) as sector:
        somebody = FourAttributes("山田 花子", "東京都千代田区1-1", "1980-02-29", "女")
        sector.enter((existing, somebody) for existing in [*PEOPLE[:3], "999"])
        before = [(existing, number(existing, OLD)) for existing in PEOPLE[:3]]
        sector.store(Linking(OLD, tuple(Linked(*pair) for pair in before), ()))
        right = len(pairs) == 3 == len(dict(pairs)) == len({n for _, n in pairs}) and dict(pairs).keys() == set(
            PEOPLE[:3]
        )
        try:
            rekeying.take(sector, OLD, NEW, pairs)
        except SectorError:
            assert not right
            assert (sector.generation, list(sector.links())) == (OLD, before)
        else:
            assert right
            assert (sector.generation, list(sector.links())) == (NEW, sorted(pairs))
