"""Destruction: absence proven on exactly the tokens the key was on; no key goes while others stand on it."""

from __future__ import annotations

import pytest
from foldkit import altered, applied, effects, forbidden, refused
from ledgerkit import B1, B2, NEW_TOKEN, SERIAL, Book, restore

from appliance.ledger.actions import Activate, Destroy, Generate, RemoveBackup, Restrict, Retire, Suspend
from appliance.ledger.errors import IllegalAction, OutcomeMismatch
from appliance.ledger.fold import LedgerState
from appliance.ledger.states import KeyState
from appliance.numbers.domains import Generation

KEY = "sspin.E.1"
GONE = Destroy(generation=KEY)
CHILDREN = ("sspin.B.1", "sspin.E.1")


def retired(state: LedgerState, *generations: str) -> LedgerState:
    return applied(state, [kind(generation=text) for text in generations for kind in (Suspend, Retire)])


def test_a_destroyed_key_has_no_copies_and_leaves_its_record(backed: Book) -> None:
    before = retired(backed.state, KEY)
    key = applied(before, [GONE]).keys[Generation.parse(KEY)]
    assert (key.state, key.copies) == (KeyState.DESTROYED, frozenset())
    assert (key.key_id, key.check_value, key.origin) == (
        before.keys[key.generation].key_id,
        before.keys[key.generation].check_value,
        3,
    )


@pytest.mark.parametrize(
    "absent", [(), (SERIAL,), (B1, B2), (SERIAL, B1), (SERIAL, B1, B2, B2), (SERIAL, B1, B2, "another"), ("another",)]
)
def test_absence_is_proven_on_every_token_it_was_on_and_no_other(backed: Book, absent: tuple[str, ...]) -> None:
    state = retired(backed.state, KEY)
    assert refused(OutcomeMismatch, state, [GONE], altered(state, GONE, absent_from=absent)) == (
        f"action 1: destroy {KEY}: absence must be proven on {SERIAL}, {B1}, {B2}"
    )


def test_in_whatever_order(backed: Book) -> None:
    state = retired(backed.state, KEY)
    applied(state, [GONE], altered(state, GONE, absent_from=(B2, SERIAL, B1)))


def test_a_key_that_never_left_was_on_the_appliance_alone(book: Book) -> None:
    state = retired(book.state, KEY)
    applied(state, [GONE], altered(state, GONE, absent_from=(SERIAL,)))
    assert "absence must be proven on 0123456789abcdef" in refused(
        OutcomeMismatch, state, [GONE], altered(state, GONE, absent_from=(SERIAL, B1))
    )


def test_a_backup_token_that_left_is_not_asked_any_more(backed: Book) -> None:
    state = applied(retired(backed.state, KEY), [RemoveBackup(token_serial=B2, lost=True)])
    applied(state, [GONE], altered(state, GONE, absent_from=(SERIAL, B1)))


def test_after_a_restore_it_is_the_new_appliance_token(backed: Book) -> None:
    state = applied(retired(backed.state, KEY), [restore(B1)])
    applied(state, [GONE], altered(state, GONE, absent_from=(NEW_TOKEN, B1, B2)))
    assert f"absence must be proven on {B1}, {B2}, {NEW_TOKEN}" in refused(
        OutcomeMismatch, state, [GONE], altered(state, GONE, absent_from=(SERIAL, B1, B2))
    )


def test_another_key_s_destruction(backed: Book) -> None:
    state = retired(backed.state, *CHILDREN)
    assert refused(OutcomeMismatch, state, [GONE], altered(state, GONE, generation="sspin.B.1")) == (
        f"action 1: destroy {KEY}: the outcome tells of something else"
    )


def test_a_parent_stays_while_keys_stand_on_it(backed: Book) -> None:
    state = applied(backed.state, [Suspend(generation="spin.1")])
    assert forbidden(IllegalAction, state, Retire(generation="spin.1")) == (
        "action 1: retire: spin.1: sspin.B.1, sspin.E.1 stand on it"
    )
    state = retired(state, "sspin.B.1")
    assert forbidden(IllegalAction, state, Retire(generation="spin.1")) == (
        "action 1: retire: spin.1: sspin.E.1 stand on it"
    )
    state = applied(state, [Suspend(generation="sspin.E.1"), Retire(generation="sspin.E.1")])
    effects(state, Retire(generation="spin.1"), Destroy(generation="spin.1"))


def test_a_child_only_generated_holds_its_parent_as_well(book: Book) -> None:
    child = Generate(generation="sspin.C.1", parent="spin.1")
    state = applied(retired(book.state, *CHILDREN, "sspin.B.2"), [child, Suspend(generation="spin.1")])
    assert "sspin.C.1 stand on it" in forbidden(IllegalAction, state, Retire(generation="spin.1"))


def test_a_parent_may_be_suspended_or_restricted_at_any_time(backed: Book) -> None:
    effects(backed.state, Suspend(generation="spin.1"))
    newer = Generate(generation="spin.2", parent=None, backups=(B1,))
    effects(backed.state, newer, Activate(generation="spin.2"), Restrict(generation="spin.1"))


def test_children_go_before_their_parent_in_one_plan(backed: Book) -> None:
    stopped = [Suspend(generation=text) for text in (*CHILDREN, "spin.1")]
    ended = [Retire(generation=text) for text in (*CHILDREN, "spin.1")]
    effects(backed.state, *stopped, *ended)
    assert "stand on it" in forbidden(IllegalAction, backed.state, *stopped, *reversed(ended))
