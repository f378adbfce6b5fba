"""Whatever is said around it, and whatever happens, nobody is in the hub's journal."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from exchangekit import Clock, Holder, hub, lines, question
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.errors import KagimoriError
from appliance.hubkit.exchange import Asked, Reply, State
from appliance.hubkit.exchangeerrors import ExchangeError
from appliance.hubkit.hubjournal import HubJournal
from appliance.hubkit.hubmoves import Line, encode


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


_serial = iter(range(1, 1_000_000))
KANJI = "山田太郎桜台市緑丘佐藤花子鈴木"


@st.composite
def persons(draw: st.DrawFn) -> tuple[str, str]:
    """The body of a number, and a name; each unlike anything that a journal says of itself."""
    body = draw(st.text("ACGHJKQRWXYZ", min_size=9, max_size=9))
    return body, "".join(draw(st.lists(st.sampled_from(KANJI), min_size=4, max_size=9)))


class _Gossip(Holder):
    """Does what it likes, and puts a name wherever it can."""

    def __init__(self, ways: list[str], name: str) -> None:
        super().__init__()
        self._ways = iter(ways)
        self._name = name

    def answer(self, asked: Asked) -> Any:
        way = next(self._ways, "tell")
        if way == "raise":
            raise KagimoriError(f"{self._name} {asked.numbers[0]}")
        if way == "wait":
            return None
        problem = {"unknown": "unknown_to_holder", "slander": self._name, "nothing": "no_such_item"}.get(way)
        numbers = ["E-" + self._name for _ in asked.numbers] if way == "others" else asked.numbers
        return [Reply(number, None if problem else self._name, problem) for number in numbers]


WAYS = st.sampled_from(["tell", "raise", "wait", "unknown", "slander", "nothing", "others"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    people=st.lists(persons(), min_size=1, max_size=4),
    ways=st.lists(WAYS, max_size=5),
    days=st.lists(st.integers(0, 6), max_size=5),
    wrong=st.sampled_from([{}, {"item": "zzz"}, {"holder": "Zzz"}, {"purpose": "zzz"}, {"generation": "sspin.C.1"}]),
)
def test_whatever_happens_nobody_is_in_the_journal(
    tmp_path: Path, people: list[tuple[str, str]], ways: list[str], days: list[int], wrong: dict[str, str]
) -> None:
    path = tmp_path / f"{next(_serial)}.jsonl"
    clock, numbers = Clock(), tuple(f"B-{body}" for body, _ in people)
    with HubJournal(path) as journal:
        one = hub(journal, holder=_Gossip(ways, people[0][1]), clock=clock)
        asked, handed = question(*numbers), []
        for day in [*days, 0]:
            try:
                ticket = one.submit(asked)
                handed += [answer.number for answer in ticket.answers if answer.data is not None]
            except ExchangeError:
                pass
            clock.forward(days=day)
            one.expire()
        assert len(handed) <= len(numbers), "everything is handed out once at most"
        with pytest.raises(ExchangeError):
            one.submit(question(*numbers, reference="case-2", **(wrong or {"item": "none"})))
        said = journal.path.read_bytes()
    assert said
    for body, name in people:
        assert body.encode() not in said and body.lower().encode() not in said.lower()
        assert name.encode() not in said and name.encode("unicode-escape") not in said
    assert asked.key not in said and asked.key.hex().encode() not in said


def test_the_search_above_would_find_somebody(path: Path) -> None:
    """A journal that took the question's own words would be found out by that search."""
    line = Line(
        time=datetime(2026, 7, 1, tzinfo=UTC),
        move="ask",
        state=State.ASKED,
        asker="B",
        reference="XYZQRWAAA",
        holder="E",
        item=None,
        purpose=None,
        people=1,
    )
    assert b"XYZQRWAAA" in encode(line)


def test_two_journals_of_the_same_persons_have_nothing_in_common_that_is_about_them(tmp_path: Path) -> None:
    """Who holds a journal and a list of everybody's numbers cannot try them out: the key is missing."""
    told = []
    for name in ("one", "two"):
        with HubJournal(tmp_path / name) as journal:
            hub(journal).exchange(question("B-nobody"))
            told.append(lines(journal))
    hashes = [{line.pop("commitment") for line in each if "commitment" in line} for each in told]
    assert told[0] == told[1]
    assert not hashes[0] & hashes[1]
