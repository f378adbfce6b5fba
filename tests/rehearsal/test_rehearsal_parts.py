"""The pure parts: which token stands in, what of a plan is changed and what is not, and how states are compared."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from lifekit import Life, Replayed
from msgspec.structs import replace as altered

from appliance.ledger import canonical, chain
from appliance.ledger import plan as plans
from appliance.ledger.actions import (
    Action,
    Activate,
    Drill,
    EnrollBackup,
    EnrollClone,
    Generate,
    RemoveBackup,
    RemoveClone,
    Restore,
    UpdateClone,
)
from appliance.ledger.book import Book
from appliance.ledger.roster import Threshold
from appliance.numbers.domains import Generation
from keyceremony.act.desk import Name
from keyceremony.rehearsal import compare, conduct, original
from keyceremony.rehearsal.cast import stand_ins
from keyceremony.rehearsal.compare import Sight
from keyceremony.rehearsal.errors import RehearsalDiffers
from keyceremony.rehearsal.translate import Parts, translate

NOW = datetime(2026, 4, 1, 9, 0, 0, 5, tzinfo=UTC)
TOKENS = {"a": Name("REHEARSAL backup-1", "9"), "b": Name("REHEARSAL backup-2", "1"), "c": Name("REHEARSAL new", "5")}


def _plan(*actions: Action, title: str = "A plan", sequence: int = 7) -> plans.Plan:
    return plans.Plan(
        type="kagimori/plan/v1",
        sequence=sequence,
        previous="ab" * 32,
        title=title,
        created="2025-01-01T00:00:00Z",
        expires="2025-01-02T00:00:00Z",
        rehearsal=False,
        actions=actions,
    )


def _translated(*actions: Action, title: str = "A plan") -> plans.Plan:
    return translate(_plan(*actions, title=title), Parts(TOKENS, {}), "cd" * 32, NOW)


def test_place_time_title_and_mark_are_the_rehearsals_own() -> None:
    plan = _translated(Activate(generation="spin.1"))
    assert (plan.sequence, plan.previous, plan.rehearsal) == (7, "cd" * 32, True)
    assert (plan.created, plan.expires) == ("2026-04-01T09:00:00Z", "2026-04-02T09:00:00Z")
    assert plan.title == "REHEARSAL: A plan"
    assert len(_translated(Activate(generation="spin.1"), title="鍵" * 200).title) == 200


@pytest.mark.parametrize(
    ("was", "is_now"),
    [
        (
            Generate(generation="spin.1", parent=None, backups=("a", "b")),
            Generate(generation="spin.1", parent=None, backups=("1", "9")),
        ),
        (
            EnrollBackup(token_label="new", token_serial="c", copy_from="a"),
            EnrollBackup(token_label="REHEARSAL new", token_serial="5", copy_from="9"),
        ),
        (
            EnrollBackup(token_label="new", token_serial="c", copy_from=None),
            EnrollBackup(token_label="REHEARSAL new", token_serial="5", copy_from=None),
        ),
        (RemoveBackup(token_serial="a", lost=True), RemoveBackup(token_serial="9", lost=True)),
        (
            Restore(token_label="new", token_serial="c", source="b", lost=("spin.2", "sspin.B.1")),
            Restore(token_label="REHEARSAL new", token_serial="5", source="1", lost=("spin.2", "sspin.B.1")),
        ),
        (
            Drill(token_label="new", token_serial="c", source="b"),
            Drill(token_label="REHEARSAL new", token_serial="5", source="1"),
        ),
        (
            EnrollClone(token_label="new", token_serial="c", source="b", log_name="osaka"),
            EnrollClone(token_label="REHEARSAL new", token_serial="5", source="1", log_name="osaka"),
        ),
        (UpdateClone(token_serial="c", source="a"), UpdateClone(token_serial="5", source="9")),
        (RemoveClone(token_serial="c", lost=False), RemoveClone(token_serial="5", lost=False)),
    ],
    ids=["generate", "enroll with copies", "enroll", "remove", "restore", "drill", "clone", "update", "remove clone"],
)
def test_tokens_are_exchanged_and_nothing_else(was: Action, is_now: Action) -> None:
    """Serial numbers stay in order, as a plan demands."""
    assert _translated(was).actions == (is_now,)


def test_a_key_that_is_not_copied_is_the_same_action_byte_for_byte() -> None:
    was = Generate(generation="spin.1", parent=None)
    assert canonical.encode(_translated(was).actions[0]) == canonical.encode(was)


def _drill(label: str, serial: str = "s") -> Drill:
    return Drill(token_label=label, token_serial=serial, source="b")


def test_every_use_of_an_empty_token_gets_a_throw_away_token_of_its_own() -> None:
    given = [_plan(_drill("scratch"), sequence=1), _plan(Activate(generation="spin.1"), sequence=2)]
    given += [_plan(_drill("scratch"), sequence=3), _plan(_drill("scratch", "t"), sequence=4)]
    assert [(one.entry, one.label) for one in stand_ins(given)] == [
        (1, "REHEARSAL scratch"),
        (3, "REHEARSAL scratch 2"),
        (4, "REHEARSAL scratch 3"),
    ]


@pytest.mark.parametrize(
    "label", ["x" * 32, "鍵守の予備の媒体", "backup token of the north"], ids=["long", "japanese", "spaces"]
)
def test_a_label_fits_into_a_token(label: str) -> None:
    """32 bytes, whole characters, no space at the end, and still all different."""
    made = [one.label for one in stand_ins(_plan(_drill(label), sequence=n) for n in range(1, 13))]
    assert len(set(made)) == 12
    for one in made:
        assert len(one.encode()) <= 32
        assert one.startswith("REHEARSAL ")
        assert one == one.strip()


# --- comparing -------------------------------------------------------------------------------------


def _sight(life: Life) -> Sight:
    return compare.of_book(Book(life.state()))


def _differences(life: Life, other: Sight) -> list[str]:
    return [str(one) for one in compare.differences(_sight(life), other, {}, {})]


def test_a_state_is_the_same_as_itself(life: Life) -> None:
    assert _differences(life, _sight(life)) == []


def test_every_tampering_with_a_state_is_noticed_by_name(life: Life) -> None:
    sight, b2 = _sight(life), Generation.parse("sspin.B.2")
    key, officer = sight.keys[b2], sight.roster.people[0]
    roles = {role: rule for role, rule in sight.policy.roles.items() if role != "portal"}
    lighter = {**sight.roster.thresholds, "destroy": Threshold(officers=1, oversight=1)}
    tampered = {
        "appliance token": replace(sight, token="another"),
        "person officer-1": replace(
            sight, roster=altered(sight.roster, people=(altered(officer, role="oversight"), *sight.roster.people[1:]))
        ),
        "person officer-2": replace(sight, roster=altered(sight.roster, people=(officer, *sight.roster.people[2:]))),
        "threshold destroy": replace(sight, roster=altered(sight.roster, thresholds=lighter)),
        "domain sspin.G": replace(sight, domains=sight.domains[:-1]),
        "policy of portal": replace(sight, policy=altered(sight.policy, roles=roles)),
        "policy of keys": replace(sight, policy=altered(sight.policy, keys=altered(sight.policy.keys, backups=0))),
        f"backup token {life.serials['backup-2']}": replace(sight, backups={}),
        f"drill from {life.serials['backup-2']}": replace(sight, drills=()),
        "clone c": replace(sight, clones={"c": (15, "osaka")}),
        "current of sspin.B": replace(sight, current={k: v for k, v in sight.current.items() if k != "sspin.B"}),
    }
    for field, value in {
        "state": next(one.state for one in sight.keys.values() if one.state != key.state),
        "parent": None,
        "activated": 99,
        "copies": frozenset(),
        "clones": frozenset({"c"}),
        "origin": 99,
        "ratified": True,
        "backed_up": False,
        "before_suspension": key.state,
    }.items():
        tampered[f"key sspin.B.2|{field}"] = replace(sight, keys={**sight.keys, b2: replace(key, **{field: value})})
    for subject, other in tampered.items():
        found = _differences(life, other)
        assert len(found) == 1, (subject, found)
        assert found[0].startswith(f"{subject.partition('|')[0]}: "), found


def test_a_replay_that_comes_to_another_state_is_refused_with_every_difference(life: Life, replayed: Replayed) -> None:
    scenes = original.of_ledger(life.held(), life.anchor)
    rehearsed = conduct.Rehearsed("", replayed.entries())
    conduct.require_same(scenes, rehearsed)
    after = replace(scenes[6].after, drills=("x",), current={})
    scenes[6] = replace(scenes[6], after=after)
    with pytest.raises(RehearsalDiffers) as refusal:
        conduct.require_same(scenes, rehearsed)
    said = refusal.value.message
    assert said.startswith("after entry 7 the rehearsal's state is another: ")
    assert "drill from x: done; in the rehearsal: not there" in said
    assert "current of sspin.B: not there; in the rehearsal: sspin.B.2" in said
    assert "current of spin: not there; in the rehearsal: spin.1" in said


def test_copies_are_compared_by_the_token_they_are_on(life: Life, replayed: Replayed) -> None:
    """A copy on the stand-in of another token is a difference, though there are as many."""
    scenes, entries = original.of_ledger(life.held(), life.anchor), replayed.entries()
    originals, doubles = conduct.names(scenes, entries)
    one, two = (f"{label} (serial {life.serials[label]})" for label in ("backup-1", "backup-2"))
    assert {one, two} <= set(originals.values())
    swapped = {serial: {one: two, two: one}.get(name, name) for serial, name in doubles.items()}
    played = compare.of_book(Book(entries[2].state))
    found = [str(each) for each in compare.differences(scenes[2].after, played, originals, swapped)]
    assert any(line.startswith("key spin.1: ") and f"copies on {two}" in line for line in found)
    assert chain.verify(life.held(), life.anchor).backups.keys() == {life.serials["backup-2"]}
