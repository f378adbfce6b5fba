"""Who is meant: every difference by an example, who must not be taken for whom, and what holds whatever is asked."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.matching import columns, evidence, names, pairs, rules
from appliance.matching.attributes import FourAttributes
from appliance.matching.blocking import Index
from appliance.matching.decision import Decision, Outcome, Reason
from appliance.matching.match import match
from appliance.matching.rules import Worth
from tests.matching.residentkit import FATHER, HANAKO, REGISTER, SON, TWIN_A, TWIN_B, unrelated


def decide(asked: FourAttributes, register: Sequence[tuple[FourAttributes, str]] = REGISTER) -> Decision[str]:
    (decision,) = match([asked], register, processes=1)
    return decision


@pytest.mark.parametrize(
    ("asked", "reasons"),
    [
        (HANAKO, ()),
        (replace(HANAKO, name="高橋花子", address=HANAKO.address.replace("　", " ")), ()),
        (replace(HANAKO, name="髙橋 花子"), ("name_written_differently",)),
        (replace(HANAKO, address="桜台市緑が丘1-2-3-101"), ("address_written_differently",)),
        (replace(HANAKO, address="桜台市緑ヶ丘１丁目２番３号"), ("building_or_room_not_said",)),
        (replace(HANAKO, name="田中 花子"), ("surname_differs",)),
        (replace(HANAKO, name="高椅 花子"), ("surname_one_character",)),
        (replace(HANAKO, birth_date="1970-01-30"), ("birth_date_one_slip",)),
        (replace(HANAKO, birth_date="2033-01-31"), ("birth_date_one_slip",)),
        (replace(HANAKO, sex="男"), ("sex_differs",)),
        (replace(HANAKO, address="桜台市緑ケ丘4-4-4"), ("address_nearby",)),
        (replace(HANAKO, address="桜台市緑ケ丘1-2-3 コーポ桜202"), ("address_nearby",)),
        (
            FourAttributes("髙橋花子", "桜台市緑が丘1-2-3", "1970-01-31", "女"),
            ("name_written_differently", "building_or_room_not_said"),
        ),
    ],
)
def test_one_difference_is_no_other_person_and_is_told(asked: FourAttributes, reasons: tuple[str, ...]) -> None:
    assert decide(asked) == Decision(Outcome.MATCHED, "hanako", reasons, ())


@pytest.mark.parametrize(
    ("asked", "cause", "candidates"),
    [
        (replace(HANAKO, name="高橋 華子"), Reason.NOT_ENOUGH, {"hanako": ["name_one_character"]}),
        (replace(HANAKO, name="タカハシ ハナコ"), Reason.NOT_ENOUGH, {"hanako": ["name_differs"]}),
        (replace(HANAKO, birth_date="1990-05-05"), Reason.NOT_ENOUGH, {"hanako": ["birth_date_differs"]}),
        (replace(HANAKO, address="北海道札幌市本町1"), Reason.NAME_COMMON, {"hanako": ["address_differs"]}),
        (
            replace(FATHER, birth_date="1950-03-15"),
            Reason.SEVERAL_RESIDENTS,
            {"father": ["birth_date_one_slip"], "son": ["birth_date_differs"]},
        ),
        (
            replace(TWIN_A, name="佐藤　三郎"),
            Reason.SEVERAL_RESIDENTS,
            {"a": ["name_one_character"], "b": ["name_one_character"]},
        ),
        (
            replace(TWIN_A, sex="女"),
            Reason.SEVERAL_RESIDENTS,
            {"a": ["sex_differs"], "b": ["name_one_character", "sex_differs"]},
        ),
        (
            replace(HANAKO, sex="男", birth_date="1970-01-30"),
            Reason.NOT_ENOUGH,
            {"hanako": ["birth_date_one_slip", "sex_differs"]},
        ),
    ],
)
def test_what_is_not_certain_is_ambiguous_with_its_candidates(
    asked: FourAttributes, cause: Reason, candidates: dict[str, list[str]]
) -> None:
    decision = decide(asked)
    assert (decision.outcome, decision.resident, decision.reasons) == (Outcome.AMBIGUOUS, None, (cause,))
    assert {one.resident: list(one.differences) for one in decision.candidates} == candidates


@pytest.mark.parametrize(
    "asked",
    [
        replace(HANAKO, address="北海道札幌市本町1", birth_date="1970-01-30"),
        replace(HANAKO, name="鈴木 一美", birth_date="1971-05-05"),
        replace(HANAKO, address=HANAKO.address.replace("東京都", "北海道"), name="田中 花子", sex="男"),
        FourAttributes("小林 修", "東京都桜台市本町9", "1944-04-04", "男"),
    ],
)
def test_who_resembles_nobody_enough_is_not_found(asked: FourAttributes) -> None:
    assert decide(asked) == Decision(Outcome.NOT_FOUND, None, (Reason.NO_RESIDENT,), ())


def test_the_same_town_in_another_prefecture_is_elsewhere() -> None:
    there = replace(HANAKO, address=HANAKO.address.replace("東京都", "広島県"))
    assert decide(there).reasons == (Reason.NAME_COMMON,)


def test_each_twin_and_each_of_father_and_son_is_found_by_their_own() -> None:
    asked = [TWIN_B, TWIN_A, SON, FATHER]
    assert [one.resident for one in match(asked, REGISTER, processes=1)] == ["b", "a", "son", "father"]


def test_two_residents_alike_are_never_chosen_between() -> None:
    decision = decide(HANAKO, [*REGISTER, (replace(HANAKO, name="髙橋花子"), "again")])
    assert decision.outcome is Outcome.AMBIGUOUS
    assert decision.reasons == (Reason.SEVERAL_RESIDENTS,)
    assert [one.resident for one in decision.candidates] == ["hanako", "again"]  # the nearer one first


def test_who_is_asked_for_twice_is_given_to_nobody_unless_one_is_nearer() -> None:
    twice = match([HANAKO, replace(HANAKO, name="高橋花子")], REGISTER, processes=1)
    assert [(one.outcome, one.reasons) for one in twice] == [(Outcome.AMBIGUOUS, (Reason.SEVERAL_REQUESTS,))] * 2
    nearer, other = match([HANAKO, replace(HANAKO, sex="男")], REGISTER, processes=1)
    assert nearer.resident == "hanako"
    assert (other.outcome, other.reasons) == (Outcome.AMBIGUOUS, (Reason.SEVERAL_REQUESTS,))


def test_five_candidates_at_most_the_best_of_them() -> None:
    crowd = [(replace(HANAKO, birth_date=f"19{year}-05-05"), str(year)) for year in range(10, 60)]
    decision = decide(replace(HANAKO, birth_date="1970-01-30"), [*crowd, *REGISTER])
    assert decision.outcome is Outcome.AMBIGUOUS
    assert [one.resident for one in decision.candidates] == ["hanako", "10", "11", "12", "13"]


def test_another_address_is_believed_only_for_a_name_that_the_register_knows_to_be_rare() -> None:
    moved = replace(HANAKO, address="北海道札幌市本町1")
    many = unrelated(9_000)
    namesakes = [
        (replace(HANAKO, birth_date=f"196{n}-05-05", address=f"千葉県市川市東町{n}"), f"n{n}") for n in range(9)
    ]
    rare = decide(moved, [*many, *REGISTER])
    assert (rare.resident, rare.reasons) == ("hanako", (Reason.ADDRESS_DIFFERS, Reason.NAME_RARE))
    assert decide(moved, [*many, *namesakes, *REGISTER]).reasons == (Reason.NAME_COMMON,)
    assert decide(moved, [*many[:3_000], *REGISTER]).reasons == (Reason.NAME_COMMON,)


def test_a_day_that_stands_for_unknown_days_makes_every_name_common() -> None:
    """1 January: a tenth of the register has it, so a namesake born that day means nothing."""
    here = replace(HANAKO, birth_date="1970-01-01")
    crowd = [(replace(one, birth_date="1970-01-01"), key) for one, key in unrelated(900, 2)]
    decision = decide(replace(here, address="北海道札幌市本町1"), [*unrelated(9_000), *crowd, (here, "hanako")])
    assert decision.reasons == (Reason.NAME_COMMON,)


def test_given_name_and_birth_date_alone_are_a_candidate_if_rare_and_nothing_if_common() -> None:
    married = replace(HANAKO, name="田中 花子", address="北海道札幌市本町1")
    crowd = [(replace(one, name=f"住民{key} 花子", sex="女"), key) for one, key in unrelated(3_000, 3)]
    assert decide(married, [*unrelated(9_000), *REGISTER]).candidates[0].resident == "hanako"
    assert decide(married, [*unrelated(9_000), *crowd, *REGISTER]).outcome is Outcome.NOT_FOUND


def test_nobody_asked_and_nobody_registered() -> None:
    assert match([], REGISTER, processes=1) == []
    assert decide(HANAKO, []).outcome is Outcome.NOT_FOUND


def test_neither_names_nor_residents_are_shown() -> None:
    shown = repr(match([HANAKO, replace(TWIN_A, name="佐藤　三郎")], REGISTER, processes=1))
    assert "hanako" not in shown
    assert "佐藤" not in shown
    assert "name_one_character" not in shown


# what holds whatever is asked: a small world in which people collide all the time

NAMES = [
    f"{one}{space}{two}"
    for one in ("斎藤", "齋藤", "高橋", "高木")
    for space in " 　"
    for two in ("一郎", "二郎", "花子")
]
HOMES = [
    "桜台市本町1-2-3",
    "東京都桜台市本町一丁目2番3号 101号室",
    "桜台市本町1-2-3-202",
    "桜台市本町9-9",
    "広島県呉市東町4",
]
DAYS = ["1970-01-31", "1970-01-30", "1999-12-01", "1999-01-12"]
people = st.builds(FourAttributes, *(st.sampled_from(one) for one in (NAMES, HOMES, DAYS, "男女")))
crowds = st.lists(people, max_size=7)


def outcomes(asked: Sequence[FourAttributes], register: Sequence[FourAttributes]) -> list[Decision[int]]:
    return match(asked, [(one, number) for number, one in enumerate(register)], processes=1)


@settings(deadline=None, max_examples=60)
@given(crowds, crowds, st.randoms(use_true_random=False))
def test_the_order_of_either_file_decides_nothing(
    asked: list[FourAttributes], register: list[FourAttributes], rng: random.Random
) -> None:
    plain = outcomes(asked, register)
    lines, places = list(range(len(register))), list(range(len(asked)))
    rng.shuffle(lines)
    rng.shuffle(places)
    mixed = outcomes([asked[place] for place in places], [register[line] for line in lines])
    for place, decision in zip(places, mixed, strict=True):
        before = plain[place]
        assert (decision.outcome, decision.reasons) == (before.outcome, before.reasons)
        assert (None if decision.resident is None else lines[decision.resident]) == before.resident
        if len(register) <= pairs.KEPT - 1:
            assert {lines[one.resident] for one in decision.candidates} == {one.resident for one in before.candidates}


@settings(deadline=None, max_examples=60)
@given(crowds, crowds, people)
def test_one_resident_more_never_makes_a_match_another_old_resident(
    asked: list[FourAttributes], register: list[FourAttributes], newcomer: FourAttributes
) -> None:
    for before, after in zip(outcomes(asked, register), outcomes(asked, [*register, newcomer]), strict=True):
        if before.outcome is Outcome.MATCHED:
            assert after.resident in (before.resident, len(register), None)


@settings(deadline=None, max_examples=60)
@given(crowds, crowds)
def test_no_resident_is_given_twice_and_a_match_is_always_one_of_them(
    asked: list[FourAttributes], register: list[FourAttributes]
) -> None:
    decisions = outcomes(asked, register)
    given_to = [one.resident for one in decisions if one.outcome is Outcome.MATCHED]
    assert len(given_to) == len(set(given_to))
    assert len(decisions) == len(asked)
    for decision in decisions:
        assert (decision.resident is not None) is (decision.outcome is Outcome.MATCHED)
        assert bool(decision.candidates) is (decision.outcome is Outcome.AMBIGUOUS)
        assert decision.reasons or decision.outcome is Outcome.MATCHED


@settings(deadline=None)
@given(st.lists(people, min_size=1, max_size=6), st.lists(people, min_size=1, max_size=6))
def test_blocking_leaves_out_nobody_whom_the_table_wants(
    asked: list[FourAttributes], register: list[FourAttributes]
) -> None:
    """All pairs, one by one, against the pairs that are looked at."""
    key = columns.new_key()
    here, there = (
        columns.read([(o.name, o.address, o.birth_date, o.sex) for o in side], key) for side in (asked, register)
    )
    found = set(zip(*(places.tolist() for places in Index(here).pairs(there)), strict=True))
    for one, other in np.ndindex(len(asked), len(register)):
        (code,) = evidence.compare(here[[one]], there[[other]])
        if evidence.needs_reading(np.array([code], np.uint8))[0]:
            code = evidence.read_names(code, names.read(asked[one].name), names.read(register[other].name))
        if rules.rule(evidence.EVERY[code]).worth > Worth.NOTHING:
            assert (one, other) in found


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 30), st.integers(0, 179)),
        max_size=60,
        unique_by=lambda one: one[:2],
    )
)
def test_keeping_the_best_keeps_each_one_s_best_in_order(found: list[tuple[int, int, int]]) -> None:
    asked, resident, code = (np.array([one[place] for one in found], np.int64) for place in range(3))
    best = pairs.Pairs(asked, resident, code.astype(np.uint8)).best(3)
    ranked = sorted(found, key=lambda one: (one[0], -rules.rule(evidence.EVERY[one[2]]).worth, one[2], one[1]))
    expected = [one for place, one in enumerate(ranked) if sum(other[0] == one[0] for other in ranked[:place]) < 3]
    assert list(zip(best.asked.tolist(), best.resident.tolist(), best.code.tolist(), strict=True)) == expected
