"""Every action there is: its class and threshold, what stands alone, what it is about, which result belongs to it."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest
from foldkit import applied, effects, refused
from ledgerkit import (
    B1,
    B2,
    B3,
    C1,
    C2,
    Book,
    clone,
    drill,
    enroll,
    make_domains,
    make_found,
    make_plan,
    make_policy,
    make_roster,
    person,
    restore,
    results_for,
)

from appliance.ledger import actions, plan, quorum
from appliance.ledger.actions import (
    ALONE,
    Action,
    Activate,
    AddDomain,
    ChangePolicy,
    ChangeRoster,
    Destroy,
    Generate,
    Ratify,
    RemoveBackup,
    RemoveClone,
    Restrict,
    Resume,
    Retire,
    Suspend,
    UpdateClone,
    action_class,
    action_name,
    subject_of,
)
from appliance.ledger.errors import MalformedPlan, OutcomeMismatch
from appliance.ledger.fold import LedgerState
from appliance.ledger.outcome import StateChanged
from appliance.ledger.roster import DEFAULT_THRESHOLDS, Threshold

KEY = "sspin.E.1"
DOMAIN = msgspec.structs.replace(make_domains()[-1], name="sspin.G", title="教育")
EVERY: dict[str, tuple[Action, str, str]] = {  # by name: one of it, its class, its subject
    "found": (make_found(), "genesis", "kagimori"),
    "generate": (Generate(generation="sspin.E.2", parent="spin.1", backups=(B1,)), "keys", "sspin.E.2"),
    "activate": (Activate(generation=KEY), "keys", KEY),
    "restrict": (Restrict(generation=KEY), "keys", KEY),
    "suspend": (Suspend(generation=KEY), "emergency", KEY),
    "ratify": (Ratify(generation=KEY), "keys", KEY),
    "resume": (Resume(generation=KEY), "keys", KEY),
    "retire": (Retire(generation=KEY), "keys", KEY),
    "destroy": (Destroy(generation=KEY), "destroy", KEY),
    "change-roster": (
        ChangeRoster(roster=make_roster([*make_roster().people, person("nagai", "officer")])),
        "roster",
        "roster",
    ),
    "change-policy": (ChangePolicy(policy=make_policy(drill_days=30)), "policy", "policy"),
    "add-domain": (AddDomain(domain=DOMAIN), "policy", "sspin.G"),
    "enroll-backup": (enroll(B3), "tokens", "backup-3"),
    "remove-backup": (RemoveBackup(token_serial=B2, lost=False), "tokens", B2),
    "restore": (restore(B1), "tokens", "kagimori-2"),
    "drill": (drill(B1), "keys", "scratch"),
    "enroll-clone": (clone(C1, log_name="osaka"), "tokens", "clone-1"),
    "update-clone": (UpdateClone(token_serial=C2, source=B1), "tokens", C2),
    "remove-clone": (RemoveClone(token_serial=C2, lost=False), "tokens", C2),
}
STANDS_ALONE = {"found", "change-roster", "enroll-backup", "remove-backup", "restore", "drill"} | {
    "enroll-clone",
    "update-clone",
    "remove-clone",
}
NEXT = {"sequence": 5, "previous": "ab" * 32}


def ready(backed: Book, name: str) -> LedgerState:
    """A state in which the action is legal."""
    before: dict[str, list[Action]] = {
        "activate": [Generate(generation="sspin.E.2", parent="spin.1", backups=(B1,))],
        "restrict": [
            Generate(generation="sspin.E.2", parent="spin.1", backups=(B1,)),
            Activate(generation="sspin.E.2"),
        ],
        "ratify": [Suspend(generation=KEY)],
        "resume": [Suspend(generation=KEY)],
        "retire": [Suspend(generation=KEY)],
        "destroy": [Suspend(generation=KEY), Retire(generation=KEY)],
    }
    if name in ("update-clone", "remove-clone"):
        return applied(applied(backed.state, [clone(C2)]), [EVERY["generate"][0]])
    return applied(backed.state, before[name]) if name in before else backed.state


def action(name: str) -> Action:
    return Activate(generation="sspin.E.2") if name == "activate" else EVERY[name][0]


def test_the_list_is_complete() -> None:
    assert {action_name(one) for one, _, _ in EVERY.values()} == set(EVERY)
    assert {type(one) for one, _, _ in EVERY.values()} == set(get_args(Action))


@pytest.mark.parametrize("name", EVERY)
def test_class_and_subject(name: str) -> None:
    one, class_, subject = EVERY[name]
    assert (action_name(one), action_class(one), subject_of(one)) == (name, class_, subject)


@pytest.mark.parametrize("name", [one for one in EVERY if one != "found"])
def test_the_threshold_is_that_of_its_class(name: str) -> None:
    """The class's own threshold counts and no other: it alone is raised."""
    made = make_plan([EVERY[name][0]], **NEXT)
    assert quorum.threshold_for(made, make_roster()) == DEFAULT_THRESHOLDS[EVERY[name][1]]  # type: ignore[index]
    raised = make_roster(thresholds={EVERY[name][1]: Threshold(officers=3, oversight=2)})  # type: ignore[dict-item]
    assert quorum.threshold_for(made, raised) == Threshold(officers=3, oversight=2)


def test_only_these_stand_alone() -> None:
    assert {one.__struct_config__.tag for one in ALONE} == STANDS_ALONE


@pytest.mark.parametrize("name", sorted(set(EVERY) - {"found"}))
def test_what_must_be_the_only_action_of_its_plan(name: str) -> None:
    one, other = EVERY[name][0], Suspend(generation="spin.1")
    plan.validate(make_plan([one], **NEXT))
    for both in ([one, other], [other, one], [one, one]):
        if name not in STANDS_ALONE:
            plan.validate(make_plan(both, **NEXT))
            continue
        with pytest.raises(MalformedPlan) as refusal:
            plan.validate(make_plan(both, **NEXT))
        assert refusal.value.reason == f"actions: {name} must be the only action of its plan"


@pytest.mark.parametrize("name", sorted(set(EVERY) - {"found"}))
def test_its_own_result_and_no_other(backed: Book, name: str) -> None:
    """The result of every other action, and a bare new state in the words of its effect, are refused."""
    state, one = ready(backed, name), action(name)
    (good,) = results_for(state, make_plan([one], state=state))
    applied(state, [one], [good])
    others = {
        kind: results_for(ready(backed, kind), make_plan([action(kind)], state=ready(backed, kind)))[0]
        for kind in EVERY
        if kind != "found"
    }
    others["found"] = results_for(None, make_plan([make_found()]))[0]
    for kind, other in others.items():
        if other == good:
            continue
        reason = refused(OutcomeMismatch, state, [one], [other])
        assert reason.startswith(f"action 1: {name} {subject_of(one)}: the outcome "), kind


@pytest.mark.parametrize("name", sorted(set(EVERY) - {"found"}))
def test_what_it_does_cannot_be_told_as_a_mere_new_state(backed: Book, name: str) -> None:
    state, one = ready(backed, name), action(name)
    (effect,) = effects(state, one)
    told = StateChanged(generation=subject_of(one), state=str(effect.after))
    (good,) = results_for(state, make_plan([one], state=state))
    if good == told:
        assert name in {"activate", "restrict", "suspend", "ratify", "resume", "retire"}
        return
    assert "the outcome tells of something else" in refused(OutcomeMismatch, state, [one], [told])


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("enroll-backup", {"token_label": ""}, "Expected `str` of length >= 1"),
        ("enroll-backup", {"token_serial": "x" * 17}, "Expected `str` of length <= 16"),
        (
            "enroll-backup",
            {"token_label": "a\x00"},
            "actions: 1: token_label: U+0000 is not printable text",
        ),
        ("enroll-backup", {"copy_from": " x"}, "actions: 1: copy_from: must not begin or end with a space"),
        ("remove-backup", {"token_serial": "a\u202e"}, "actions: 1: token_serial: U+202E is not printable text"),
        ("remove-backup", {"lost": "no"}, "Expected `bool`, got `str`"),
        ("restore", {"source": "a\n"}, "actions: 1: source: U+000A is not printable text on one line"),
        ("drill", {"source": None}, "Expected `str`, got `null`"),
        ("enroll-clone", {"log_name": "Osaka"}, "Expected `str` matching regex"),
        ("enroll-clone", {"log_name": "o" * 33}, "Expected `str` matching regex"),
        ("enroll-clone", {"source": "a\u200b"}, "actions: 1: source: U+200B is not printable text on one line"),
        ("update-clone", {"source": None}, "Expected `str`, got `null`"),
        ("remove-clone", {"token_serial": " "}, "actions: 1: token_serial: must not begin or end with a space"),
        ("generate", {"backups": [B2, B1]}, "actions: 1: backups: each serial number once, in order"),
        ("generate", {"backups": [B1, B1]}, "actions: 1: backups: each serial number once, in order"),
        ("generate", {"backups": ["a\u200b"]}, "actions: 1: backups: U+200B is not printable text on one line"),
        ("generate", {"backups": [f"{n:02}" for n in range(17)]}, "Expected `array` of length <= 16"),
        ("change-roster", {"force": True}, "unknown field `force`"),
    ],
)
def test_what_an_action_says_in_itself(name: str, changes: dict[str, object], reason: str) -> None:
    raw = msgspec.to_builtins(make_plan([EVERY[name][0]], **NEXT))
    raw["actions"][0].update(changes)
    with pytest.raises(MalformedPlan) as refusal:
        plan.parse(plan.canonical.encode(raw))
    assert reason in refusal.value.reason


def test_names_of_actions_are_the_tags_in_the_files() -> None:
    for name, (one, _, _) in EVERY.items():
        assert msgspec.to_builtins(one)["action"] == name
    assert actions.action_name(Ratify(generation=KEY)) == "ratify"
