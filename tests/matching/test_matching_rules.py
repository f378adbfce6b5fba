"""The decision table: every combination of evidence has one worth, and the page shows the table that decides."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from appliance.matching import evidence, rules
from appliance.matching.decision import Reason
from appliance.matching.evidence import EVERY, AddressIs, BirthIs, Evidence, NameIs, SexIs
from appliance.matching.rules import RULES, Worth
from tests.matching.measuredtable import PAGE
from tests.matching.rulestable import markdown


def test_every_combination_has_a_row_and_every_row_some_combination() -> None:
    assert len(EVERY) == 6 * 5 * 3 * 2
    assert {rules.rule(one).why for one in EVERY} == {row.why for row in RULES}


def test_packing_keeps_what_was_packed() -> None:
    levels = [np.array(column, np.uint8) for column in zip(*EVERY, strict=True)]
    codes = evidence.packed(*levels)
    assert codes.tolist() == list(range(len(EVERY)))
    assert [column.tolist() for column in evidence.levels(codes)] == [column.tolist() for column in levels]
    assert rules.worth(codes).tolist() == [rules.rule(one).worth for one in EVERY]


@pytest.mark.parametrize(
    ("attribute", "levels"), [("name", NameIs), ("address", AddressIs), ("birth", BirthIs), ("sex", SexIs)]
)
def test_less_evidence_is_never_worth_more(attribute: str, levels: type[NameIs]) -> None:
    for one, (less, more) in product(EVERY, [(b, a) for a in levels for b in levels if a < b]):
        assert (
            rules.rule(one._replace(**{attribute: less})).worth <= rules.rule(one._replace(**{attribute: more})).worth
        )


CERTAIN = {Worth.SURE, Worth.ALONE, Worth.RARE}


def test_no_given_name_that_is_off_is_ever_certain() -> None:
    """Twins: a name that differs in more than the surname is at most asked about."""
    for one in EVERY:
        if one.name in (NameIs.ONE_OFF, NameIs.OTHER):
            assert rules.rule(one).worth <= Worth.ASK


def test_two_slips_are_never_certain() -> None:
    slips = {
        "name": {NameIs.SURNAME_SLIP, NameIs.SURNAME_OTHER, NameIs.ONE_OFF, NameIs.OTHER},
        "address": {AddressIs.NEAR, AddressIs.OTHER},
        "birth": {BirthIs.SLIP, BirthIs.OTHER},
        "sex": {SexIs.OTHER},
    }
    for one in EVERY:
        if sum(getattr(one, attribute) in levels for attribute, levels in slips.items()) >= 2:
            assert rules.rule(one).worth not in CERTAIN


def test_another_birth_date_is_never_certain_and_another_address_only_by_a_rare_name() -> None:
    for one in EVERY:
        if one.birth is BirthIs.OTHER:
            assert rules.rule(one).worth <= Worth.ASK
        if one.address is AddressIs.OTHER:
            assert rules.rule(one).worth <= Worth.RARE


def test_what_differs_is_told_and_nothing_else() -> None:
    assert evidence.differences(Evidence(NameIs.SAME, AddressIs.SAME, BirthIs.SAME, SexIs.SAME)) == ()
    told = {reason for one in EVERY for reason in evidence.differences(one)}
    later = {"name_rare", "no_resident", "several_residents", "several_requests", "name_common", "not_enough_agrees"}
    assert {*told} | {Reason(value) for value in later} == set(Reason)
    assert all(len(evidence.differences(one)) == sum(level > 0 for level in one) for one in EVERY)


def test_the_page_shows_this_table() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert f"<!-- rules -->\n{markdown()}<!-- /rules -->" in page
    for reason in Reason:
        assert f"`{reason}`" in page
