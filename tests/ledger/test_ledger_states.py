"""The transition table through the ledger: every action from every state, legal and illegal."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from types import MappingProxyType

import pytest
from ledgerkit import Book, make_outcome, make_plan, results_for

from appliance.ledger import actions, fold
from appliance.ledger.actions import Action, Activate, Generate
from appliance.ledger.errors import IllegalAction
from appliance.ledger.fold import KeyRecord, LedgerState
from appliance.ledger.keys import KeyBook
from appliance.ledger.states import GONE, READABLE, TRANSITIONS, WRITABLE, IllegalTransition, KeyState, next_state
from appliance.numbers.domains import Generation

SUBJECT = Generation("sspin.B", 1)
OTHER = Generation("sspin.B", 2)
STATES: tuple[KeyState | None, ...] = (None, *KeyState)
ACTIONS = [name for name in TRANSITIONS if name != "lose"]
CELLS = list(product(ACTIONS, STATES, (False, True), (KeyState.ACTIVE, KeyState.DECRYPT_ONLY)))


def record(generation: Generation, state: KeyState, activated: int, before: KeyState | None = None) -> KeyRecord:
    return KeyRecord(generation, Generation("spin", 1), bytes(range(16)), b"kcv123", state, before, activated)


def world(founded: LedgerState, state: KeyState | None, current: bool, before: KeyState) -> LedgerState:
    """A ledger with spin.1, the subject in the given state, and perhaps a newer key that is current instead."""
    keys = {Generation("spin", 1): record(Generation("spin", 1), KeyState.ACTIVE, 1)}
    if state is not None:
        suspended = before if state is KeyState.SUSPENDED else None
        keys[SUBJECT] = record(SUBJECT, state, 2, suspended)
        if not current:
            keys[OTHER] = record(OTHER, KeyState.ACTIVE, 3)
    book = KeyBook(founded.tree, keys)
    return replace(founded, keys=MappingProxyType(keys), current=MappingProxyType(book.current()))


def action_on(name: str) -> Action:
    if name == "generate":
        return Generate(generation=str(SUBJECT), parent="spin.1")
    return getattr(actions, name.capitalize())(generation=str(SUBJECT))  # type: ignore[no-any-return]


def expected(name: str, state: KeyState | None, is_current: bool, before: KeyState) -> KeyState | None:
    """What the table says, read here independently of `next_state`: None for an illegal move."""
    row = TRANSITIONS[name]
    if state not in row.sources or (row.forbids_current and is_current):
        return None
    return row.target or before


@pytest.mark.parametrize(("name", "state", "current", "before"), CELLS)
def test_every_cell(book: Book, name: str, state: KeyState | None, current: bool, before: KeyState) -> None:
    now = world(book.state, state, current, before)
    is_current = now.current.get("sspin.B") == SUBJECT
    plan = make_plan([action_on(name)], state=now)
    target = expected(name, state, is_current, before)
    if target is None:
        with pytest.raises(IllegalAction) as refusal:
            fold.plan_effects(now, plan)
        assert refusal.value.reason.startswith(f"action 1: {SUBJECT}: {name}: the key is ")
        return
    effect = fold.plan_effects(now, plan)[0]
    assert (effect.action, effect.subject, effect.before, effect.after) == (name, str(SUBJECT), state, target)
    after = fold.apply(now, plan, make_outcome(plan, b"", results_for(now, plan)), "ab" * 32, now.anchor)
    assert after.keys[SUBJECT].state is target
    held = before if state is KeyState.SUSPENDED else state
    assert after.keys[SUBJECT].before_suspension is (held if target is KeyState.SUSPENDED else None)
    assert now.keys.get(SUBJECT) is None or now.keys[SUBJECT].state is state, "the state before is untouched"


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("current", [False, True])
def test_every_cell_of_the_move_that_is_no_action(book: Book, state: KeyState | None, current: bool) -> None:
    """Only a restore makes it (test_ledger_lost.py)."""
    assert not hasattr(actions, "Lose")
    now = world(book.state, state, current, KeyState.ACTIVE)
    keys = KeyBook(now.tree, now.keys)
    if expected("lose", state, current, KeyState.ACTIVE) is None:
        with pytest.raises(IllegalAction) as refusal:
            keys.lose(SUBJECT)
        assert refusal.value.reason.startswith(f"{SUBJECT}: lose: the key is ")
        assert keys.keys == dict(now.keys)
        return
    keys.lose(SUBJECT)
    assert (keys.keys[SUBJECT].state, keys.keys[SUBJECT].before_suspension) == (KeyState.LOST, None)
    assert keys.current().get("sspin.B") == (OTHER if not current else None)


def test_the_table_has_the_states_and_moves_of_the_design() -> None:
    moves = {
        (name, source.value if source else "-", row.target.value if row.target else "as before")
        for name, row in TRANSITIONS.items()
        for source in row.sources
    }
    assert moves == {
        ("generate", "-", "generated"),
        ("activate", "generated", "active"),
        ("restrict", "active", "decrypt-only"),
        ("suspend", "active", "suspended"),
        ("suspend", "decrypt-only", "suspended"),
        ("ratify", "suspended", "suspended"),
        ("resume", "suspended", "as before"),
        ("retire", "decrypt-only", "retired"),
        ("retire", "suspended", "retired"),
        ("destroy", "retired", "destroyed"),
        *(("lose", state, "lost") for state in ("generated", "active", "decrypt-only", "suspended", "retired")),
    }
    assert WRITABLE < READABLE == {KeyState.ACTIVE, KeyState.DECRYPT_ONLY}
    assert {KeyState.DESTROYED, KeyState.LOST} == GONE
    assert [name for name, row in TRANSITIONS.items() if row.forbids_current] == ["restrict"]


def test_the_current_key_cannot_be_restricted(book: Book) -> None:
    now = world(book.state, KeyState.ACTIVE, True, KeyState.ACTIVE)
    with pytest.raises(IllegalAction, match=r"restrict: the key is its domain's current one; activate a newer one"):
        fold.plan_effects(now, make_plan([action_on("restrict")], state=now))


def test_the_table_itself_refuses_what_it_does_not_know() -> None:
    with pytest.raises(IllegalTransition, match="explode: no such action"):
        next_state("explode", KeyState.ACTIVE, is_current=False)
    with pytest.raises(IllegalTransition, match="the state before the suspension is unknown"):
        next_state("resume", KeyState.SUSPENDED, is_current=False)


def test_current_is_the_latest_activated_that_is_active(book: Book) -> None:
    """Not the highest number: an older generation activated later becomes current."""
    now = world(book.state, KeyState.GENERATED, False, KeyState.ACTIVE)
    assert now.current["sspin.B"] == OTHER
    plan = make_plan([Activate(generation=str(SUBJECT))], state=now)
    after = fold.apply(now, plan, make_outcome(plan, b"", results_for(now, plan)), "ab" * 32, now.anchor)
    assert after.current["sspin.B"] == SUBJECT
    assert after.keys[SUBJECT].activated == 4


def test_a_suspended_key_is_not_current_until_it_is_resumed(book: Book) -> None:
    now = book.state
    assert str(now.current["sspin.B"]) == "sspin.B.2"
    for name, current in (("Suspend", "sspin.B.1"), ("Resume", "sspin.B.2")):
        plan = make_plan([getattr(actions, name)(generation="sspin.B.2")], state=now)
        now = fold.apply(now, plan, make_outcome(plan, b"", results_for(now, plan)), "ab" * 32, now.anchor)
        assert str(now.current["sspin.B"]) == current


def test_a_domain_without_an_active_key_has_no_current_one(book: Book) -> None:
    plan = make_plan([actions.Suspend(generation="sspin.E.1")], state=book.state)
    after = fold.apply(
        book.state, plan, make_outcome(plan, b"", results_for(book.state, plan)), "ab" * 32, book.state.anchor
    )
    assert "sspin.E" not in after.current
