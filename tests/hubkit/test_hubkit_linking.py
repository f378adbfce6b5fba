"""Linking: what becomes of matching's decisions, whatever they are. The appliance is replaced by a table here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.hubkit import linking
from appliance.hubkit.errors import StreamBroken
from appliance.hubkit.linking import Entry, Linked, Linking, LinkRequest, Unmatched, decide, link, number
from appliance.hubkit.register import FourAttributes, Resident
from appliance.hubkit.wire import Converted, Failed, Result
from appliance.matching.decision import Candidate, Decision, Outcome, Reason


class Table:
    """Stands where the client does: code ``n`` becomes ``N<n>``; codes that end in 99 are refused."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    @contextmanager
    def convert_stream(self, source: str, target: str, lines: Iterable[str], **why: str) -> Iterator[Any]:
        assert (source, why) == ("resident", {"purpose": "linking", "reference": "r-1"})
        yield _Stream(self._results(lines), target + ".1")

    def _results(self, lines: Iterable[str]) -> Iterator[Result]:
        for line in lines:
            self.asked.append(line)
            yield Failed("unknown_number") if line.endswith("99") else Converted("N" + line)


class _Stream:
    def __init__(self, results: Iterator[Result], target: str) -> None:
        self._results, self.target = results, target

    def __iter__(self) -> Iterator[Result]:
        return self._results


def run(register: list[Resident], requests: list[LinkRequest], client: Any = None) -> Linking:
    return link(client or Table(), iter(register), requests, "sspin.C", purpose="linking", reference="r-1")


def person(
    name: str = "山田 太郎", address: str = "桜台市一番町1-2", birth: str = "1970-01-31", sex: str = "男"
) -> FourAttributes:
    return FourAttributes(name, address, birth, sex)


REGISTER = [
    Resident("00000000001", person("山田 太郎")),
    Resident("00000000002", person("佐藤 花子", sex="女")),
    Resident("00000000003", person("佐藤 花子", sex="女")),
    Resident("00000000004", person("鈴木 次郎")),
    Resident("00000000099", person("高橋 三郎")),
    Resident("00000000006", person("渡辺 四郎")),
]


def test_each_request_ends_in_one_list_with_a_reason() -> None:
    asked = [
        ("1", person("山田　太郎")),
        ("2", person("佐藤 花子", sex="女")),
        ("3", person("小笠原 実", "よそ市1-1", "1950-05-05")),
        ("4", person("鈴木 次郎")),
        ("5", person("鈴木次郎")),
        ("6", person("高橋 三郎")),
    ]
    table = Table()
    said = run(REGISTER, [LinkRequest(*one) for one in asked], table)
    assert said.generation == "sspin.C.1"
    assert said.linked == (Linked("1", "N00000000001"),)
    assert said.unmatched == (
        Unmatched("2", Outcome.AMBIGUOUS, (linking.SEVERAL_RESIDENTS,)),
        Unmatched("3", Outcome.NOT_FOUND, (linking.NO_RESIDENT,)),
        Unmatched("4", Outcome.AMBIGUOUS, (linking.SEVERAL_REQUESTS,)),
        Unmatched("5", Outcome.AMBIGUOUS, (linking.SEVERAL_REQUESTS,)),
        Unmatched("6", Outcome.NOT_FOUND, (linking.NOT_CONVERTED,)),
    )
    assert table.asked == ["00000000001", "00000000099"], "only people found for certain are converted"


def test_an_existing_number_asked_twice_links_nobody() -> None:
    said = run(REGISTER, [LinkRequest("1", person("山田 太郎")), LinkRequest("1", person("渡辺 四郎"))])
    assert [one.reason for one in said.unmatched] == [linking.SEVERAL_REQUESTS] * 2
    assert (said.linked, said.generation) == ((), None)


def test_a_code_under_two_peoples_attributes_is_nobodys() -> None:
    register = [Resident("00000000001", person("山田 太郎")), Resident("00000000001", person("渡辺 四郎"))]
    said = run(register, [LinkRequest("1", person("山田 太郎")), LinkRequest("2", person("渡辺 四郎"))])
    assert [one.reason for one in said.unmatched] == [linking.REPEATED_CODE] * 2
    assert said.linked == ()


def test_where_in_the_register_somebody_stands_is_for_the_authority_alone() -> None:
    (finding,) = decide(REGISTER, [LinkRequest("2", person("佐藤 花子", sex="女"))])
    assert sorted(one.entry.line for one in finding.seen) == [3, 4]
    (finding,) = decide(REGISTER, [LinkRequest("1", person("山田 太郎"))])
    assert finding.resident == Entry(2, "00000000001")
    assert "00000000001" not in repr(finding)


def test_a_broken_stream_links_nobody() -> None:
    class Breaking(Table):
        def _results(self, lines: Iterable[str]) -> Iterator[Result]:
            yield Converted("N" + next(iter(lines)))
            raise StreamBroken("engine_lost", 1)

    with pytest.raises(StreamBroken, match="broke after 1 lines: engine_lost"):
        run(REGISTER, [LinkRequest("1", person("山田 太郎")), LinkRequest("2", person("渡辺 四郎"))], Breaking())


entries = st.builds(Entry, st.integers(2, 9), st.sampled_from([f"{n:011d}" for n in (1, 2, 3, 4, 99)]))
reasons = st.lists(st.sampled_from(list(Reason)), max_size=3).map(tuple)
candidates = st.lists(st.builds(Candidate, entries, reasons), max_size=3).map(tuple)
decisions = st.one_of(
    st.builds(Decision, st.just(Outcome.MATCHED), entries, reasons, st.just(())),
    st.builds(Decision, st.just(Outcome.AMBIGUOUS), st.none(), reasons, candidates),
    st.builds(Decision, st.just(Outcome.NOT_FOUND), st.none(), reasons, st.just(())),
)
existing = st.lists(st.integers(0, 6).map(str), max_size=12)


@given(existing, st.data())
def test_whatever_is_decided_each_request_is_in_exactly_one_list(asked: list[str], data: st.DataObject) -> None:
    made: list[Decision[Entry]] = []

    def decided(people: list[FourAttributes], *_: object, **__: object) -> list[Decision[Entry]]:
        made.extend(data.draw(st.lists(decisions, min_size=len(people), max_size=len(people))))
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linking, "match", decided)
        table = Table()
        findings = decide([], [LinkRequest(one, person()) for one in asked])
        said = number(table, findings, "sspin.C", purpose="linking", reference="r-1")  # type: ignore[arg-type]
    assert Counter(asked) == Counter(one.existing for one in (*said.linked, *said.unmatched))
    once = [one for one in asked if asked.count(one) == 1]
    meant = dict(zip(once, made, strict=True))
    codes = Counter(one.resident.code for one in made if one.resident is not None)
    named = [entry for one in made for entry in (one.resident, *(c.resident for c in one.candidates)) if entry]
    for one in said.linked:
        entry = meant[one.existing].resident
        assert entry is not None
        assert one.number == "N" + entry.code
        assert codes[entry.code] == 1, "two requests may mean this resident"
        assert {other.line for other in named if other.code == entry.code} == {entry.line}, "a code of two people"
    for left in said.unmatched:
        assert left.reasons
        assert set(left.reasons) <= set(linking.TOLD), "in what a resident differs is register data"
        assert left.outcome is not Outcome.MATCHED
    assert len(table.asked) == len(set(table.asked))
    assert (said.generation is None) == (not said.linked)
