"""A whole rotation, plan by plan: each is found from the keys alone, children go before their parents."""

from __future__ import annotations

from collections.abc import Sequence

import ledgerkit
import paperkit
import pytest
from ledgerkit import B1, C1, C2

from appliance.ledger.actions import Action, Activate, Restrict, Resume, Retire, Suspend, action_name, subject_of
from appliance.ledger.fold import LedgerState
from appliance.numbers.domains import Generation
from keyceremony.errors import DraftRefused
from keyceremony.plans.rotation import Rotation, Stage, rotation


@pytest.fixture
def book() -> ledgerkit.Book:
    """common.1, spin.1, sspin.B.1 and sspin.E.1 are active, each with a copy on one backup token."""
    return paperkit.with_backup()


def told(actions: Sequence[Action]) -> list[str]:
    return [f"{action_name(action)} {subject_of(action)}" for action in actions]


def go_on(book: ledgerkit.Book, domain: str) -> Rotation:
    """Carry out the next plan of a rotation; what it was."""
    found = rotation(book.state, domain)
    book.add(found.actions)
    return found


def states(state: LedgerState) -> dict[str, str]:
    return {str(generation): str(key.state) for generation, key in sorted(state.keys.items())}


def test_a_sector_from_its_first_key_to_its_destruction(book: ledgerkit.Book) -> None:
    plans = [go_on(book, "sspin.B") for _ in range(4)]
    assert [told(one.actions) for one in plans] == [
        ["generate sspin.B.2", "activate sspin.B.2"],
        ["restrict sspin.B.1"],
        ["retire sspin.B.1"],
        ["destroy sspin.B.1"],
    ]
    assert [one.stage for one in plans] == [Stage.MAKE, Stage.RESTRICT, Stage.RETIRE, Stage.DESTROY]
    assert plans[0].title == "Rotation of sspin.B, plan 1 of 4: new keys"
    assert book.state.keys[next(g for g in book.state.keys if str(g) == "sspin.B.2")].copies == {B1}
    assert states(book.state)["sspin.B.1"] == "destroyed"
    again = rotation(book.state, "sspin.B")
    assert (again.stage, told(again.actions)[0]) == (Stage.MAKE, "generate sspin.B.3")


def test_the_checklist_names_every_step_and_what_the_hub_must_convert(book: ledgerkit.Book) -> None:
    first = go_on(book, "sspin.B")
    assert first.rekeyed == (("sspin.B.1", "sspin.B.2"),)
    assert [(step.status, step.text) for step in first.steps] == [
        ("this plan", "make and activate sspin.B.2; old and new both convert"),
        ("next: the hub", "the hub converts every number it and the sectors keep: sspin.B.1 → sspin.B.2"),
        ("later", "restrict sspin.B.1: may still be read, never written to"),
        ("later", "retire sspin.B.1: converts nothing any more"),
        ("later", "destroy sspin.B.1: gone from every token, for ever"),
    ]
    assert [step.status for step in go_on(book, "sspin.B").steps] == [
        "done", "must be done", "this plan", "later", "later",
    ]  # fmt: skip
    third = go_on(book, "sspin.B")
    assert [step.status for step in third.steps] == ["done", "must be done", "done", "this plan", "later"]
    assert third.warnings[0] == (
        "make sure that the hub has re-keyed every number: sspin.B.1 → sspin.B.2; "
        "after this plan it cannot be done any more"
    )
    last = go_on(book, "sspin.B")
    assert [step.status for step in last.steps] == ["done", "done", "done", "done", "this plan"]
    assert last.warnings == ()


def test_a_policy_that_lets_nobody_re_key_is_told_of(book: ledgerkit.Book) -> None:
    assert rotation(book.state, "sspin.B").warnings == (
        "no role may convert sspin.B to sspin.B, so nobody can re-key: give a role"
        ' the pair ["sspin.B", "sspin.B"] (keyceremony plan policy)',
    )


def test_an_inner_domain_takes_those_below_it_along_and_children_go_first(book: ledgerkit.Book) -> None:
    plans = [go_on(book, "spin") for _ in range(4)]
    assert [told(one.actions) for one in plans] == [
        [
            "generate spin.2",
            "generate sspin.B.2",
            "generate sspin.E.2",
            "activate spin.2",
            "activate sspin.B.2",
            "activate sspin.E.2",
        ],
        ["restrict sspin.E.1", "restrict sspin.B.1", "restrict spin.1"],
        ["retire sspin.E.1", "retire sspin.B.1", "retire spin.1"],
        ["destroy sspin.E.1", "destroy sspin.B.1", "destroy spin.1"],
    ]
    assert plans[0].rekeyed == (("sspin.B.1", "sspin.B.2"), ("sspin.E.1", "sspin.E.2")), "nobody stores a spin"
    parents = {str(generation): str(key.parent) for generation, key in book.state.keys.items()}
    assert (parents["sspin.B.2"], parents["sspin.E.2"]) == ("spin.2", "spin.2")
    assert states(book.state)["common.1"] == "active", "common does not stand on spin"


def test_what_is_made_already_is_used(book: ledgerkit.Book) -> None:
    book.add(ledgerkit_generate("sspin.B.2", "spin.1"))
    assert told(rotation(book.state, "sspin.B").actions) == ["activate sspin.B.2"]
    book.add([*ledgerkit_generate("spin.2", None), Activate(generation="spin.2")])
    assert told(rotation(book.state, "spin").actions) == [
        "generate sspin.B.3",
        "generate sspin.E.2",
        "activate sspin.B.3",
        "activate sspin.E.2",
    ], "sspin.B.2 stands on the old spin"


def test_a_rotation_in_hand_is_finished_first_unless_a_new_one_is_wanted(book: ledgerkit.Book) -> None:
    go_on(book, "sspin.B")
    go_on(book, "sspin.B")
    assert told(rotation(book.state, "sspin.B").actions) == ["retire sspin.B.1"]
    assert told(rotation(book.state, "sspin.B", anew=True).actions) == ["generate sspin.B.3", "activate sspin.B.3"]


def test_the_earliest_step_of_several_older_keys_comes_first(book: ledgerkit.Book) -> None:
    go_on(book, "sspin.B")
    book.add([Restrict(generation="sspin.B.1"), Retire(generation="sspin.B.1")])
    book.add(rotation(book.state, "sspin.B", anew=True).actions)
    assert told(rotation(book.state, "sspin.B").actions) == ["restrict sspin.B.2"]
    go_on(book, "sspin.B")
    assert told(rotation(book.state, "sspin.B").actions) == ["retire sspin.B.2"]
    go_on(book, "sspin.B")
    assert told(rotation(book.state, "sspin.B").actions) == ["destroy sspin.B.2", "destroy sspin.B.1"]


def test_a_suspended_key_is_decided_about_first(book: ledgerkit.Book) -> None:
    book.add([Suspend(generation="sspin.B.1")])
    assert told(go_on(book, "sspin.B").actions) == ["generate sspin.B.2", "activate sspin.B.2"], "a way out of a stop"
    with pytest.raises(DraftRefused) as refused:
        rotation(book.state, "sspin.B")
    assert refused.value.message == "rotate sspin.B: sspin.B.1 is suspended"
    assert refused.value.hint is not None
    assert "keyceremony plan keys 'resume sspin.B.1', so that numbers can be re-keyed from it" in refused.value.hint
    book.add([Resume(generation="sspin.B.1")])
    assert told(rotation(book.state, "sspin.B").actions) == ["restrict sspin.B.1"]


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        ("resident", "rotate resident: no domain with keys"),
        ("sspin.Q", "rotate sspin.Q: no domain with keys"),
        ("sspin.C", "rotate sspin.C: it has no key in use"),
    ],
)
def test_what_has_no_key_cannot_be_rotated(book: ledgerkit.Book, domain: str, message: str) -> None:
    with pytest.raises(DraftRefused) as refused:
        rotation(book.state, domain)
    assert refused.value.message == message
    assert refused.value.hint is not None


def ledgerkit_generate(generation: str, parent: str | None) -> list[Action]:
    return [ledgerkit.Generate(generation=generation, parent=parent, backups=(B1,))]


# --- with clones ------------------------------------------------------------------------------------------------------


@pytest.fixture
def cloned() -> ledgerkit.Book:
    """Two backup tokens and two clones."""
    return ledgerkit.cloned()


def test_with_clones_keys_are_made_brought_to_each_and_only_then_activated(cloned: ledgerkit.Book) -> None:
    plans = [go_on(cloned, "sspin.B") for _ in range(7)]
    assert [told(one.actions) for one in plans] == [
        ["generate sspin.B.2"],
        [f"update-clone {C1}"],
        [f"update-clone {C2}"],
        ["activate sspin.B.2"],
        ["restrict sspin.B.1"],
        ["retire sspin.B.1"],
        ["destroy sspin.B.1"],
    ]
    assert [one.title for one in plans] == [
        "Rotation of sspin.B, plan 1 of 7: new keys",
        "Rotation of sspin.B, plan 2 of 7: bring the new keys to a clone",
        "Rotation of sspin.B, plan 3 of 7: bring the new keys to a clone",
        "Rotation of sspin.B, plan 4 of 7: activate the new keys",
        "Rotation of sspin.B, plan 5 of 7: restrict the old keys",
        "Rotation of sspin.B, plan 6 of 7: retire the old keys",
        "Rotation of sspin.B, plan 7 of 7: destroy the old keys",
    ]
    record = cloned.state.keys[Generation("sspin.B", 2)]
    assert (record.clones, states(cloned.state)["sspin.B.1"]) == ({C1, C2}, "destroyed")


def test_the_checklist_with_clones(cloned: ledgerkit.Book) -> None:
    first = go_on(cloned, "sspin.B")
    assert [(step.status, step.text) for step in first.steps] == [
        ("this plan", "make sspin.B.2; it does nothing until activated"),
        ("later", "bring sspin.B.2 to clone-1, clone-2, a plan for each clone that lacks it"),
        ("later", "activate sspin.B.2; old and new both convert"),
        ("later", "the hub converts every number it and the sectors keep: sspin.B.1 → sspin.B.2"),
        ("later", "restrict sspin.B.1: may still be read, never written to"),
        ("later", "retire sspin.B.1: converts nothing any more"),
        ("later", "destroy sspin.B.1: gone from every token, for ever"),
    ]
    ahead = [[step.status for step in go_on(cloned, "sspin.B").steps][:5] for _ in range(4)]
    assert ahead == [
        ["done", "this plan", "later", "later", "later"],
        ["done", "this plan", "later", "later", "later"],
        ["done", "done", "this plan", "next: the hub", "later"],
        ["done", "done", "done", "must be done", "this plan"],
    ]


def test_an_inner_domain_s_keys_come_to_the_clones_together(cloned: ledgerkit.Book) -> None:
    plans = [told(go_on(cloned, "spin").actions) for _ in range(4)]
    assert plans[0] == ["generate spin.2", "generate sspin.B.2", "generate sspin.E.2"]
    assert plans[1:3] == [[f"update-clone {C1}"], [f"update-clone {C2}"]]
    assert plans[3] == ["activate spin.2", "activate sspin.B.2", "activate sspin.E.2"]


def test_a_log_key_rotates_past_the_clones_and_a_tag_key_does_not(cloned: ledgerkit.Book) -> None:
    assert told(rotation(cloned.state, "log").actions) == ["generate log.2", "activate log.2"]
    assert rotation(cloned.state, "log").title == "Rotation of log, plan 1 of 4: new keys"
    assert [told(go_on(cloned, "tag").actions) for _ in range(2)] == [["generate tag.2"], [f"update-clone {C1}"]]


def test_a_new_key_without_a_copy_cannot_come_to_a_clone(cloned: ledgerkit.Book) -> None:
    cloned.add([ledgerkit.Generate(generation="sspin.B.2", parent="spin.1")])
    with pytest.raises(DraftRefused) as refused:
        rotation(cloned.state, "sspin.B")
    assert refused.value.message == (
        "rotate: clone clone-1 must get sspin.B.2 first, and no backup token has a copy of all of them"
    )
