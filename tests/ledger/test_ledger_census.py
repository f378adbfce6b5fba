"""A census: its one form, what a retirement may cite of it, and what speaks against that."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from foldkit import applied, effects
from hypothesis import given
from hypothesis import strategies as st
from ledgerkit import Book, make_plan

from appliance.ledger import canonical, census, plan
from appliance.ledger.actions import Activate, CensusCitation, Generate, Restrict, Retire
from appliance.ledger.census import Census
from appliance.ledger.errors import CensusRefused, MalformedCensus, MalformedPlan, NotCanonical
from appliance.ledger.fold import LedgerState
from appliance.numbers.domains import Generation

OLD = Generation("sspin.E", 1)
CITED = CensusCitation(digest="ab" * 32, counted=100, left=0)


def made(**changes: object) -> Census:
    fields: dict[str, object] = {
        "type": "kagimori/census/v1",
        "anchor": "ab" * 32,
        "domain": "sspin.E",
        "generations": {"sspin.E.1": 0, "sspin.E.2": 120},
        "neither": 2,
        "malformed": 1,
        "empty": 0,
        "rows": 123,
        "input_sha256": "cd" * 32,
        "output_sha256": None,
        "reference": "年度更新 2026",
        "purpose": "exchange",
        "began": "2026-04-01T09:03:00Z",
        "ended": "2026-04-01T09:10:00Z",
    }
    return Census(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def rekeyed(book: Book) -> LedgerState:
    """The second generation of sector E is in use, the first may still be read."""
    make = [Generate(generation="sspin.E.2", parent="spin.1"), Activate(generation="sspin.E.2")]
    return applied(book.state, [*make, Restrict(generation="sspin.E.1")])


def of(state: LedgerState, **changes: object) -> bytes:
    return census.encode(made(anchor=state.anchor, **changes))


# --- its form ---------------------------------------------------------------------------------------------------------


def test_one_form_and_back() -> None:
    data = census.encode(made())
    assert census.parse(data) == made()
    assert data == canonical.encode(msgspec.to_builtins(made())), "RFC 8785, and nothing behind it"
    for other in (data + b"\n", b" " + data, data.replace(b":", b": ", 1), data[:-1]):
        with pytest.raises(NotCanonical):
            census.parse(other)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rows": 124}, "rows: 124, but the counts add up to 123"),
        ({"neither": 3}, "rows: 123, but the counts add up to 124"),
        ({"generations": {"sspin.B.1": 120}}, "generations: sspin.B.1: the numbers counted are of sspin.E"),
        ({"generations": {"sspin.E": 120}}, "is not a key generation"),
        ({"domain": "log", "generations": {"log.1": 120}}, "generations: log.1: the numbers counted are of log"),
        ({"ended": "2026-04-01T09:02:59Z"}, "ended: must not be earlier than began"),
        ({"began": "2026-02-30T09:00:00Z"}, "began: '2026-02-30T09:00:00Z' is not an instant"),
        ({"reference": "a\nb"}, "reference: U+000A is not printable text"),
    ],
)
def test_what_it_must_not_say(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(MalformedCensus) as writing:
        census.encode(made(**changes))
    with pytest.raises(MalformedCensus) as reading:
        census.parse(canonical.encode(made(**changes)))
    assert reason in reading.value.reason and reason in writing.value.reason


@pytest.mark.parametrize(
    "changes", [{"more": 1}, {"rows": -1}, {"rows": "1"}, {"anchor": "ab"}, {"type": "kagimori/census/v2"}]
)
def test_another_shape(changes: dict[str, object]) -> None:
    raw = {**msgspec.to_builtins(made()), **changes}
    with pytest.raises(MalformedCensus):
        census.parse(canonical.encode(raw))


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=5), st.integers(0, 99), st.integers(0, 99))
def test_whatever_adds_up_is_read_back(counts: list[int], neither: int, empty: int) -> None:
    generations = {f"sspin.E.{number}": count for number, count in enumerate(counts, 1)}
    rows = sum(counts) + neither + empty
    one = made(generations=generations, neither=neither, malformed=0, empty=empty, rows=rows)
    assert census.parse(census.encode(one)) == one


# --- cited ------------------------------------------------------------------------------------------------------------


def test_a_citation_says_which_file_and_what_it_found(rekeyed: LedgerState) -> None:
    data = of(rekeyed)
    expected = CensusCitation(digest=hashlib.sha256(data).hexdigest(), counted=123, left=0)
    assert census.cite(data, rekeyed, OLD) == expected


def test_numbers_that_are_left_must_be_accepted_in_so_many_words(rekeyed: LedgerState) -> None:
    data = of(rekeyed, generations={"sspin.E.1": 7, "sspin.E.2": 113})
    with pytest.raises(CensusRefused) as refusal:
        census.cite(data, rekeyed, OLD, accepted=6)
    assert refusal.value.reason == "census: 7 of 123 numbers are still under sspin.E.1; they could never be read again"
    assert refusal.value.hint == "re-key them first; or, if they may be lost, say so: --accept-left 7"
    assert census.cite(data, rekeyed, OLD, accepted=7).left == 7


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"anchor": "00" * 32}, "census: made under the trust anchor 0000"),
        ({"anchor": ""}, "census: made under the trust anchor (not said); this ledger's is "),
        (
            {"generations": {"sspin.E.2": 120}},
            "census: it counted numbers under sspin.E.2, not under sspin.E.1",
        ),
        (
            {"began": "2026-04-01T09:02:59Z"},
            "and sspin.E.2 came into use only 2026-04-01T09:03:00Z; numbers were given out under sspin.E.1 meanwhile",
        ),
    ],
)
def test_a_census_that_does_not_speak_of_it(rekeyed: LedgerState, changes: dict[str, object], reason: str) -> None:
    data = census.encode(made(**{"anchor": rekeyed.anchor, **changes}))
    with pytest.raises(CensusRefused) as refusal:
        census.cite(data, rekeyed, OLD)
    assert reason in refusal.value.reason


def test_a_key_without_a_successor_is_not_counted_out(book: Book) -> None:
    with pytest.raises(CensusRefused) as refusal:
        census.cite(of(book.state), book.state, OLD)
    assert refusal.value.reason == "census: sspin.E.1 has no successor in use, so new numbers are under it"


def test_what_is_no_census_is_told_so(rekeyed: LedgerState) -> None:
    for data, error in ((b"", NotCanonical), (b"{}", MalformedCensus), (b"[]", MalformedCensus)):
        with pytest.raises(error):
            census.cite(data, rekeyed, OLD)


# --- in a plan --------------------------------------------------------------------------------------------------------


def test_a_retirement_with_and_without_has_one_encoding_each(rekeyed: LedgerState) -> None:
    """A plan from before there were censuses stays what it was, byte for byte."""
    bare, cited = Retire(generation="sspin.E.1"), Retire(generation="sspin.E.1", census=CITED)
    assert canonical.encode(bare) == b'{"action":"retire","generation":"sspin.E.1"}'
    for action in (bare, cited):
        whole = make_plan([action], state=rekeyed)
        assert plan.parse(canonical.encode(whole)) == whole
        assert effects(rekeyed, action)[0].after == "retired"
        assert applied(rekeyed, [action]).keys[OLD].state == "retired"
    raw = msgspec.to_builtins(make_plan([bare], state=rekeyed))
    raw["actions"][0]["census"] = None
    with pytest.raises(NotCanonical):
        plan.parse(canonical.encode(raw))


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (
            Retire(generation="tag.1", census=CITED),
            "actions: 1: census: no number is under tag.1, so there is nothing to count",
        ),
        (
            Retire(generation="sspin.E.1", census=msgspec.structs.replace(CITED, left=101)),
            "actions: 1: census: left must not be more than counted",
        ),
        (
            Retire(generation="sspin.E.1", census=msgspec.structs.replace(CITED, digest="AB" * 32)),
            "Expected `str` matching regex",
        ),
    ],
)
def test_what_a_citation_must_not_say(rekeyed: LedgerState, action: Retire, reason: str) -> None:
    with pytest.raises(MalformedPlan) as refusal:
        plan.parse(canonical.encode(make_plan([action], state=rekeyed)))
    assert reason in refusal.value.reason
