"""Linking against a naive reference, and a sector's own file. The appliance is replaced by a table here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.hubkit import linking
from appliance.hubkit.errors import StreamBroken
from appliance.hubkit.linking import Linked, Linking, LinkRequest, Unmatched, link, match_key
from appliance.hubkit.register import FourAttributes, Resident
from appliance.hubkit.sector import Sector, SectorError
from appliance.hubkit.wire import Converted, Failed, Result


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
    name: str = "山田 太郎", address: str = "一番町1-2", birth: str = "1970-01-31", sex: str = "男"
) -> FourAttributes:
    return FourAttributes(name, address, birth, sex)


@pytest.mark.parametrize(
    "other",
    [
        person(name="山田　太郎"),
        person(name="山田太郎"),
        person(address="一番町１－２".replace("－", "-")),
        person(address=" 一番町1 -2"),
    ],
)
def test_spaces_and_width_do_not_matter(other: FourAttributes) -> None:
    assert match_key(other) == match_key(person())


@pytest.mark.parametrize(
    "other",
    [person(name="山田 大郎"), person(address="一番町1-3"), person(birth="1970-02-01"), person(sex="女")],
)
def test_everything_else_does(other: FourAttributes) -> None:
    assert match_key(other) != match_key(person())


def test_each_request_ends_in_one_list_with_a_reason() -> None:
    register = [
        Resident("00000000001", person("A")),
        Resident("00000000002", person("B")),
        Resident("00000000003", person("B")),
        Resident("00000000004", person("D")),
        Resident("00000000099", person("E")),
        Resident("00000000006", person("nobody asks for")),
    ]
    asked = [("1", "A"), ("2", "B"), ("3", "C"), ("4", "D"), ("5", "D"), ("6", "E")]
    table = Table()
    said = run(register, [LinkRequest(existing, person(name)) for existing, name in asked], table)
    assert said.generation == "sspin.C.1"
    assert said.linked == (Linked("1", "N00000000001"),)
    assert said.unmatched == (
        Unmatched("2", linking.SEVERAL_RESIDENTS),
        Unmatched("3", linking.NO_RESIDENT),
        Unmatched("4", linking.SEVERAL_REQUESTS),
        Unmatched("5", linking.SEVERAL_REQUESTS),
        Unmatched("6", linking.NOT_CONVERTED),
    )
    assert table.asked == ["00000000001", "00000000099"], "only people asked for clearly are converted"


def test_an_existing_number_asked_twice_links_nobody() -> None:
    register = [Resident("00000000001", person("A")), Resident("00000000002", person("B"))]
    said = run(register, [LinkRequest("1", person("A")), LinkRequest("1", person("B"))])
    assert [one.reason for one in said.unmatched] == [linking.SEVERAL_REQUESTS] * 2


def test_a_code_under_two_peoples_attributes_links_neither() -> None:
    register = [Resident("00000000001", person("A")), Resident("00000000001", person("B"))]
    said = run(register, [LinkRequest("1", person("A")), LinkRequest("2", person("B"))])
    assert [one.reason for one in said.unmatched] == [linking.SEVERAL_RESIDENTS] * 2
    assert said.linked == ()


names = st.sampled_from(["山田太郎", "山田 太郎", "山田　太郎", "ﾔﾏﾀﾞ", "ヤマダ", "佐藤", "佐 藤"])
attributes = st.builds(person, names, st.sampled_from(["1-2", "１-2"]), st.sampled_from(["1970-01-31", "1980-01-31"]))
codes = st.integers(0, 12).map(lambda n: f"{90 + n:011d}")
registers = st.lists(st.builds(Resident, codes, attributes), max_size=12)
asked_for = st.lists(st.builds(LinkRequest, st.integers(0, 8).map(str), attributes), max_size=12)


@given(registers, asked_for)
def test_linking_equals_the_naive_reference(register: list[Resident], requests: list[LinkRequest]) -> None:
    def alike(one: FourAttributes, other: FourAttributes) -> bool:
        return match_key(one) == match_key(other)

    def clear(request: LinkRequest) -> bool:
        rivals = [r for r in requests if r.existing == request.existing or alike(r.attributes, request.attributes)]
        return len(rivals) == 1

    def candidates(request: LinkRequest) -> list[str]:
        return [r.code for r in register if alike(r.attributes, request.attributes)] if clear(request) else []

    every_candidate = [code for request in requests for code in candidates(request)]
    expected = {}
    for request in requests:
        match candidates(request):
            case [code] if every_candidate.count(code) == 1 and not code.endswith("99"):
                expected[request.existing] = "N" + code
    said = run(register, requests)
    assert {one.existing: one.number for one in said.linked} == expected
    assert len(said.linked) + len(said.unmatched) == len(requests)


def test_a_broken_stream_links_nobody() -> None:
    class Breaking(Table):
        def _results(self, lines: Iterable[str]) -> Iterator[Result]:
            yield Converted("N" + next(iter(lines)))
            raise StreamBroken("engine_lost", 1)

    register = [Resident(f"{n:011d}", person(f"P{n}")) for n in range(3)]
    with pytest.raises(StreamBroken, match="broke after 1 lines: engine_lost"):
        run(register, [LinkRequest(str(n), person(f"P{n}")) for n in range(3)], Breaking())


class TestSector:
    @pytest.fixture
    def sector(self, tmp_path: Path) -> Iterator[Sector]:
        with Sector("C", tmp_path / "C.sqlite") as one:
            one.enter([("135792468", person("A")), ("246813579", person("B"))])
            yield one

    def test_the_schemes_sample_numbers_are_stored_and_found(self, sector: Sector) -> None:
        sector.store(Linking("sspin.C.1", (Linked("135792468", "369PQRST246"),), ()))
        assert sector.existing_of("369PQRST246") == "135792468"
        assert sector.generation == "sspin.C.1"
        assert [request.existing for request in sector.requests()] == ["246813579"]

    def test_an_inquiry_ends_when_the_person_is_linked(self, sector: Sector) -> None:
        sector.store(Linking(None, (), (Unmatched("135792468", linking.NO_RESIDENT),)))
        assert list(sector.inquiries()) == [("135792468", "no_resident")]
        with pytest.raises(SectorError, match="sector C has no linkage numbers yet"):
            _ = sector.generation
        sector.store(Linking("sspin.C.1", (Linked("135792468", "369PQRST246"),), ()))
        assert list(sector.inquiries()) == []

    def test_two_generations_are_never_mixed(self, sector: Sector) -> None:
        sector.store(Linking("sspin.C.1", (Linked("135792468", "369PQRST246"),), ()))
        with pytest.raises(SectorError, match=r"holds numbers of sspin\.C\.1, these are of sspin\.C\.2; nothing was"):
            sector.store(Linking("sspin.C.2", (Linked("246813579", "XXXXXXXXXXX"),), ()))
        assert list(sector.links()) == [("135792468", "369PQRST246")]

    @pytest.mark.parametrize("pair", [Linked("246813579", "369PQRST246"), Linked("135792468", "XXXXXXXXXXX")])
    def test_nobody_is_linked_twice_and_nothing_half(self, sector: Sector, pair: Linked) -> None:
        sector.store(Linking("sspin.C.1", (Linked("135792468", "369PQRST246"),), ()))
        inquiry = Unmatched("246813579", linking.NO_RESIDENT)
        with pytest.raises(SectorError, match="linked already; nothing was stored"):
            sector.store(Linking("sspin.C.1", (pair,), (inquiry,)))
        assert list(sector.links()) == [("135792468", "369PQRST246")]
        assert list(sector.inquiries()) == []

    def test_people_and_records(self, sector: Sector) -> None:
        with pytest.raises(SectorError, match="an existing number is taken; nothing was stored"):
            sector.enter([("3", person("C")), ("135792468", person("D"))])
        assert [request.existing for request in sector.requests()] == ["135792468", "246813579"]
        sector.keep("pension", [("135792468", "old"), ("135792468", "new")])
        assert sector.data("135792468", "pension") == "new"
        with pytest.raises(SectorError, match="a record is about nobody here"):
            sector.keep("pension", [("999", "x")])

    def test_the_file_is_the_owners_alone_and_stays(self, tmp_path: Path, sector: Sector) -> None:
        assert (tmp_path / "C.sqlite").stat().st_mode & 0o777 == 0o600
        with Sector("C", tmp_path / "C.sqlite") as again:
            assert len(list(again.requests())) == 2
