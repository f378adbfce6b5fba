"""Ratification: the ordinary quorum stands behind a suspension that the lighter one decided; the key stays stopped."""

from __future__ import annotations

import pytest
from foldkit import applied, effects, forbidden
from ledgerkit import Book, make_plan

from appliance.ledger import quorum
from appliance.ledger.actions import Ratify, Resume, Suspend
from appliance.ledger.errors import IllegalAction, QuorumShort
from appliance.ledger.keys import KeyRecord
from appliance.ledger.states import KeyState
from appliance.numbers.domains import Generation

KEY = "sspin.E.1"


def record(book: Book) -> KeyRecord:
    return book.state.keys[Generation.parse(KEY)]


def test_a_suspension_is_unratified_until_the_ordinary_quorum_agrees(book: Book) -> None:
    grown = book.fork()
    grown.add([Suspend(generation=KEY)], ("ito", "kato"))
    assert (record(grown).state, record(grown).ratified) == (KeyState.SUSPENDED, False)
    with pytest.raises(QuorumShort, match="1 of 2 officer approvals"):
        grown.add([Ratify(generation=KEY)], ("ito", "kato"))
    since = record(grown).since
    grown.add([Ratify(generation=KEY)], ("ito", "sato", "kato"))
    assert (record(grown).state, record(grown).ratified) == (KeyState.SUSPENDED, True)
    assert record(grown).before_suspension is KeyState.ACTIVE
    assert record(grown).since == since, "it has been suspended since the suspension"
    assert Generation.parse(KEY) not in grown.state.current.values()


def test_once_is_enough(book: Book) -> None:
    state = applied(book.state, [Suspend(generation=KEY), Ratify(generation=KEY)])
    assert forbidden(IllegalAction, state, Ratify(generation=KEY)) == (
        f"action 1: ratify: {KEY}: its suspension is ratified already"
    )


def test_the_next_suspension_needs_a_ratification_of_its_own(book: Book) -> None:
    state = applied(book.state, [Suspend(generation=KEY), Ratify(generation=KEY), Resume(generation=KEY)])
    assert not state.keys[Generation.parse(KEY)].ratified
    state = applied(state, [Suspend(generation=KEY)])
    assert not state.keys[Generation.parse(KEY)].ratified
    effects(state, Ratify(generation=KEY))


def test_only_a_suspension_can_be_ratified(book: Book) -> None:
    assert forbidden(IllegalAction, book.state, Ratify(generation=KEY)) == (
        f"action 1: {KEY}: ratify: the key is active; needs: suspended"
    )


def test_suspending_and_ratifying_in_one_plan_needs_the_ordinary_quorum(book: Book) -> None:
    plan = make_plan([Suspend(generation=KEY), Ratify(generation=KEY)], state=book.state)
    assert quorum.threshold_for(plan, book.state.roster).officers == 2
