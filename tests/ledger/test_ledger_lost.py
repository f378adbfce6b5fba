"""Keys that no backup token has, when the appliance's token is lost: given up by name, or nothing is restored."""

from __future__ import annotations

import msgspec
import pytest
from foldkit import altered, applied, effects, forbidden, refused
from ledgerkit import B1, B2, B3, SERIAL, Action, Book, drill, enroll, make_plan, make_policy, restore

from appliance.engine.routes import GenerationUnusable, route
from appliance.ledger import canonical, chain, plan
from appliance.ledger.actions import (
    Activate,
    ChangePolicy,
    Destroy,
    Generate,
    Restore,
    Restrict,
    Retire,
    Suspend,
    action_class,
)
from appliance.ledger.attributes import RESTORED
from appliance.ledger.errors import IllegalAction, KeyReused, MalformedPlan, NotCanonical, OutcomeMismatch
from appliance.ledger.fold import KeyRecord, LedgerState
from appliance.ledger.outcome import Drilled
from appliance.ledger.states import KeyState
from appliance.numbers.domains import Generation

TABLE_SAYS = "needs: active, decrypt-only, generated, retired, suspended"


def bare(*generations: str, parent: str = "spin.1") -> list[Action]:
    """Keys without a copy."""
    return [Generate(generation=text, parent=parent) for text in generations]


def states(state: LedgerState) -> dict[str, str]:
    return {str(generation): str(key.state) for generation, key in sorted(state.keys.items())}


def record(state: LedgerState, text: str) -> KeyRecord:
    return state.keys[Generation.parse(text)]


@pytest.fixture(scope="module")
def some_bare(backed: Book) -> Book:
    """sspin.E.2 and sspin.B.2 have no copy; sspin.B.1, which has, is decrypt-only; the policy demands none."""
    grown = backed.fork()
    grown.add([ChangePolicy(policy=make_policy(backups=0)), *bare("sspin.B.2", "sspin.E.2")])
    grown.add([Activate(generation="sspin.B.2"), Restrict(generation="sspin.B.1")])
    return grown


LOST = ("sspin.B.2", "sspin.E.2")


def test_a_restore_gives_up_by_name_what_no_backup_token_has(some_bare: Book) -> None:
    grown = some_bare.fork()
    grown.add([restore(B1, lost=LOST)])
    state = chain.verify(grown.files, grown.anchor)
    assert states(state) == {
        "common.1": "active",
        "spin.1": "active",
        "sspin.B.1": "decrypt-only",
        "sspin.B.2": "lost",
        "sspin.E.1": "active",
        "sspin.E.2": "lost",
    }
    assert state.keys.keys() == some_bare.state.keys.keys()
    for text in LOST:
        before, key = record(some_bare.state, text), record(state, text)
        assert (key.copies, key.since) == (frozenset(), "2026-04-01T09:03:00Z")
        assert (key.key_id, key.check_value, key.origin) == (before.key_id, before.check_value, before.origin)
    assert "sspin.B" not in state.current
    kept = ("common.1", "spin.1", "sspin.B.1", "sspin.E.1")
    assert all(record(state, text) == record(some_bare.state, text) for text in kept)


@pytest.mark.parametrize(
    "moves",
    [
        [],
        [Activate(generation="sspin.E.2")],
        [Activate(generation="sspin.E.2"), Suspend(generation="sspin.E.2")],
        [Activate(generation="sspin.E.2"), Suspend(generation="sspin.E.2"), Retire(generation="sspin.E.2")],
    ],
    ids=["generated", "active", "suspended", "retired"],
)
def test_from_any_state_that_a_key_can_be_in(some_bare: Book, moves: list[Action]) -> None:
    state = applied(some_bare.state, moves) if moves else some_bare.state
    key = record(applied(state, [restore(B1, lost=LOST)]), "sspin.E.2")
    assert (key.state, key.before_suspension, key.ratified, key.copies) == (KeyState.LOST, None, False, frozenset())


def test_every_key_comes_from_the_source_or_is_given_up(some_bare: Book) -> None:
    for named, left in (((), "sspin.B.2, sspin.E.2"), (LOST[:1], "sspin.E.2"), (LOST[1:], "sspin.B.2")):
        assert forbidden(IllegalAction, some_bare.state, restore(B1, lost=named)) == (
            f"action 1: restore: no backup token has a copy of {left};"
            " name what is given up as lost, so that the others can be restored"
        )


def test_what_another_backup_token_has_is_restored_from_there(some_bare: Book) -> None:
    state = applied(some_bare.state, [Generate(generation="sspin.F.1", parent="spin.1", backups=(B2,))])
    assert forbidden(IllegalAction, state, restore(B1, lost=LOST)) == (
        f"action 1: restore: backup token {B1} has no copy of sspin.F.1; restore from one that has: {B2}"
    )
    assert forbidden(IllegalAction, state, restore(B1, lost=(*LOST, "sspin.F.1"))) == (
        f"action 1: restore: lost: sspin.F.1 must not be given up: restore from a token that has it: {B2}"
    )
    effects(state, restore(B2, lost=LOST))


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("sspin.E.1", f"sspin.E.1 must not be given up: restore from a token that has it: {B1}, {B2}"),
        ("sspin.E.9", f"sspin.E.9: lose: the key is not there; {TABLE_SAYS}"),
        ("sspin.Z.1", f"sspin.Z.1: lose: the key is not there; {TABLE_SAYS}"),
        ("resident.1", f"resident.1: lose: the key is not there; {TABLE_SAYS}"),
    ],
)
def test_nothing_else_is_given_up(some_bare: Book, named: str, why: str) -> None:
    lost = tuple(sorted((*LOST, named), key=Generation.parse))
    assert forbidden(IllegalAction, some_bare.state, restore(B1, lost=lost)) == f"action 1: restore: lost: {why}"


def test_nor_what_is_gone_already(some_bare: Book) -> None:
    ended = [kind(generation="sspin.E.2") for kind in (Activate, Suspend, Retire, Destroy)]
    state = applied(some_bare.state, ended)
    assert forbidden(IllegalAction, state, restore(B1, lost=LOST)) == (
        f"action 1: restore: lost: sspin.E.2: lose: the key is destroyed; {TABLE_SAYS}"
    )
    once = applied(state, [restore(B1, lost=LOST[:1])])
    assert forbidden(IllegalAction, once, restore(B1, SERIAL, LOST[:1])) == (
        f"action 1: restore: lost: sspin.B.2: lose: the key is lost; {TABLE_SAYS}"
    )
    effects(once, restore(B1, SERIAL))


@pytest.mark.parametrize("lost", [LOST[::-1], (*LOST, LOST[1]), ("sspin.B.10", "sspin.B.2")])
def test_the_plan_names_each_once_and_in_order(some_bare: Book, lost: tuple[str, ...]) -> None:
    with pytest.raises(MalformedPlan) as refusal:
        plan.validate(make_plan([restore(B1, lost=lost)], state=some_bare.state))
    assert refusal.value.reason == "actions: 1: lost: each generation once, in order"
    plan.validate(make_plan([restore(B1, lost=("sspin.B.2", "sspin.B.10"))], state=some_bare.state))


@pytest.mark.parametrize("name", ["sspin.B", "sspin.B.02", "", "B1"])
def test_the_plan_names_generations(some_bare: Book, name: str) -> None:
    with pytest.raises(MalformedPlan, match=r"^actions: 1: lost: "):
        plan.validate(make_plan([restore(B1, lost=(name,))], state=some_bare.state))


def test_a_restore_always_says_what_it_gives_up(some_bare: Book) -> None:
    """One encoding: that nothing is given up is written, too."""
    raw = msgspec.to_builtins(make_plan([restore(B1)], state=some_bare.state))
    assert raw["actions"][0].pop("lost") == ()
    with pytest.raises(NotCanonical):
        plan.parse(canonical.encode(raw))
    assert action_class(restore(B1, lost=LOST)) == "tokens"


def test_the_result_tells_of_the_others_exactly(some_bare: Book) -> None:
    action = restore(B1, lost=LOST)
    (good,) = altered(some_bare.state, action)
    told = good.keys  # type: ignore[union-attr]
    assert [one.generation for one in told] == ["common.1", "spin.1", "sspin.B.1", "sspin.E.1"]
    found = msgspec.structs.replace(told[-1], generation="sspin.E.2", **ids(record(some_bare.state, "sspin.E.2")))
    for wrong in ((*told, found), told[:-1]):
        reason = refused(OutcomeMismatch, some_bare.state, [action], altered(some_bare.state, action, keys=wrong))
        assert "the keys copied are not those of the ledger, one by one" in reason


def ids(key: KeyRecord) -> dict[str, object]:
    return {
        "key_id": key.key_id.hex(),
        "check_value": key.check_value.hex(),
        "origin": key.origin,
        "attributes": dict(RESTORED),
    }


# --- afterwards -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spin_lost(some_bare: Book) -> Book:
    """spin.2 was current and is lost, and so is sspin.B.3; sspin.E.3 stands on spin.2 and was restored."""
    grown = some_bare.fork()
    grown.add([Generate(generation="spin.2", parent=None), Activate(generation="spin.2")])
    made = Generate(generation="sspin.E.3", parent="spin.2", backups=(B1,))
    grown.add([made, *bare("sspin.B.3", parent="spin.2"), Activate(generation="sspin.E.3")])
    grown.add([restore(B1, lost=("spin.2", "sspin.B.2", "sspin.B.3", "sspin.E.2"))])
    return grown


def test_what_stands_on_a_lost_key_stays_and_no_way_goes_through_it(spin_lost: Book) -> None:
    state = spin_lost.state
    assert (record(state, "sspin.E.3").state, str(state.current["sspin.E"])) == (KeyState.ACTIVE, "sspin.E.3")
    assert str(state.current["spin"]) == "spin.1", "the one before is current again"
    for source, target in (("sspin.E.3", None), (None, "sspin.E.3"), ("sspin.E.1", "sspin.E.3")):
        ends = [Generation.parse(text) if text else None for text in (source, target)]
        with pytest.raises(GenerationUnusable) as refusal:
            route(state, *ends)
        assert refusal.value.message == "spin.2 is lost; this conversion needs it active or decrypt-only"
    route(state, Generation("sspin.E", 1), None)


@pytest.mark.parametrize("kind", [Activate, Restrict, Suspend, Retire, Destroy])
def test_a_lost_key_moves_no_more(spin_lost: Book, kind: type[Activate]) -> None:
    reason = forbidden(IllegalAction, spin_lost.state, kind(generation="spin.2"))
    assert "the key is lost; needs: " in reason


def test_nothing_new_stands_on_it(spin_lost: Book) -> None:
    assert forbidden(IllegalAction, spin_lost.state, Generate(generation="sspin.F.1", parent="spin.2")) == (
        "action 1: generate: sspin.F.1: its parent spin.2 is lost"
    )
    assert forbidden(IllegalAction, spin_lost.state, Generate(generation="sspin.B.2", parent="spin.1")) == (
        "action 1: sspin.B.2: generate: the key is lost; needs: no key yet"
    )


def test_what_stands_on_it_can_be_ended_and_it_keeps_no_parent(spin_lost: Book) -> None:
    ended: list[Action] = [kind(generation="sspin.E.3") for kind in (Suspend, Retire, Destroy)]
    assert states(applied(spin_lost.state, ended))["sspin.E.3"] == "destroyed"
    state = applied(spin_lost.state, [kind(generation="sspin.B.1") for kind in (Suspend, Retire)])
    state = applied(state, [kind(generation="sspin.E.1") for kind in (Suspend, Retire)])
    state = applied(state, [kind(generation="spin.1") for kind in (Suspend, Retire, Destroy)])
    assert states(state)["spin.1"] == "destroyed", "sspin.B.2 and sspin.E.2, both lost, stood on it"


def test_life_goes_on_and_the_lost_one_is_never_made_again(spin_lost: Book) -> None:
    grown = spin_lost.fork()
    grown.add([Generate(generation="sspin.B.4", parent="spin.1", backups=(B1,)), Activate(generation="sspin.B.4")])
    assert str(grown.state.current["sspin.B"]) == "sspin.B.4"
    again = Generate(generation="sspin.E.4", parent="spin.1")
    lost = record(grown.state, "sspin.E.2")
    for name, value in (("key_id", lost.key_id.hex()), ("check_value", lost.check_value.hex())):
        refused(KeyReused, grown.state, [again], altered(grown.state, again, **{name: value}))
    assert chain.verify(grown.files, grown.anchor).sequence == grown.state.sequence


@pytest.mark.parametrize("action", [enroll(B3, copy_from=B1), drill(B1)], ids=["enroll", "drill"])
def test_other_tokens_never_get_it(spin_lost: Book, action: Action) -> None:
    (told,) = altered(spin_lost.state, action)
    copied = told.keys if isinstance(told, Drilled) else told.copies  # type: ignore[union-attr]
    assert [one.generation for one in copied] == ["common.1", "spin.1", "sspin.B.1", "sspin.E.1", "sspin.E.3"]
    applied(spin_lost.state, [action])


def test_a_backup_token_that_is_lost_as_well_does_not_stand_in_the_way(some_bare: Book) -> None:
    """Else a key that only it had could neither be restored nor given up, and the others would be lost with it."""
    grown = some_bare.fork()
    grown.add([Generate(generation="sspin.F.1", parent="spin.1", backups=(B2,))])
    action = restore(B1, lost=(*LOST, "sspin.F.1"), lost_backups=(B2,))
    grown.add([action])
    state = chain.verify(grown.files, grown.anchor)
    assert B2 not in state.backups and B2 not in state.drills
    assert B1 in state.backups
    assert record(state, "sspin.F.1").state is KeyState.LOST
    assert all(B2 not in key.copies for key in state.keys.values())


@pytest.mark.parametrize(
    ("action", "why"),
    [
        (
            restore(B1, lost=LOST, lost_backups=(B1,)),
            f"restore: token {B1} is no backup token of this ledger; it has: ",
        ),
        (restore(B1, lost=LOST, lost_backups=("f" * 16,)), "restore: token ffffffffffffffff is no backup token"),
    ],
    ids=["the source itself", "none of the ledger's"],
)
def test_which_backup_tokens_can_be_lost_with_it(some_bare: Book, action: Restore, why: str) -> None:
    assert forbidden(IllegalAction, some_bare.state, action).startswith(f"action 1: {why}")


def test_lost_backup_tokens_are_named_once_and_in_order() -> None:
    with pytest.raises(MalformedPlan, match="actions: 1: lost_backups: each serial number once, in order"):
        plan.validate(make_plan([restore(B1, lost_backups=(B2, B2))], sequence=2, previous="ab" * 32))
