"""Drafting: the words of a plan, numbers and parents filled in, everything illegal refused before anybody sees it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import ledgerkit
import paperkit
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledgerkit import B1, B2, NOW

from appliance.ledger import canonical, fold, plan
from appliance.ledger.actions import Found, Generate, action_name
from appliance.ledger.fold import LedgerState
from appliance.ledger.policy import KeyRules
from appliance.ledger.roster import DEFAULT_THRESHOLDS
from keyceremony.errors import CardRefused, DraftRefused, SetupRefused
from keyceremony.people import cards, enroll
from keyceremony.plans import drafting
from keyceremony.plans.holders import holder


@pytest.fixture(scope="module")
def empty() -> LedgerState:
    """After the genesis."""
    book = ledgerkit.Book()
    return book.add([ledgerkit.make_found()])


@pytest.fixture(scope="module")
def grown() -> LedgerState:
    """common.1, spin.1, sspin.B.1, sspin.B.2 and sspin.E.1 are active."""
    return ledgerkit.three_entries().state


def draft(state: LedgerState, *lines: str) -> list[str]:
    """The actions of a plan as words: ``generate sspin.C.1 under spin.1``."""
    made = drafting.keys(state, lines, title="Keys", now=NOW)
    assert fold.plan_effects(state, made)
    assert plan.parse(canonical.encode(made)) == made
    return [_in_words(action) for action in made.actions]


def _in_words(action: object) -> str:
    assert not isinstance(action, Found)
    under = f" under {action.parent}" if isinstance(action, Generate) else ""
    return f"{action_name(action)} {action.generation}{under}"  # type: ignore[arg-type,attr-defined]


def test_numbers_and_parents_are_filled_in(empty: LedgerState, grown: LedgerState) -> None:
    assert draft(empty, "generate common", "generate spin", "generate sspin.A", "activate spin.1") == [
        "generate common.1 under None",
        "generate spin.1 under None",
        "generate sspin.A.1 under spin.1",
        "activate spin.1",
    ]
    assert draft(grown, "generate sspin.B", "generate sspin.C") == [
        "generate sspin.B.3 under spin.1",
        "generate sspin.C.1 under spin.1",
    ]


def test_a_parent_made_in_the_same_plan_is_preferred_and_another_can_be_named(grown: LedgerState) -> None:
    assert draft(grown, "generate spin", "generate sspin.C", "generate sspin.D with spin.1", "generate sspin.C") == [
        "generate spin.2 under None",
        "generate sspin.C.1 under spin.2",
        "generate sspin.D.1 under spin.1",
        "generate sspin.C.2 under spin.2",
    ]


def test_head_and_number_follow_the_ledger(grown: LedgerState) -> None:
    made = drafting.keys(grown, ["suspend sspin.B.1"], title="Stop", now=NOW, valid_days=2)
    assert (made.sequence, made.previous, made.rehearsal) == (4, grown.head, False)
    assert (made.created, made.expires) == ("2026-04-01T09:00:00Z", "2026-04-03T09:00:00Z")


REFUSED = [
    (["generate sspin.X"], "generate sspin.X: no such domain"),
    (["generate resident"], "generate resident: it is the root of the tree and has no key"),
    (["generate sspin.C with spin.9"], "its parent spin.9 is not there"),
    (["generate sspin.C with common.1"], "its parent must be a generation of spin"),
    (["generate common with spin.1"], "its parent resident has no keys; parent: null"),
    (["generate sspin.C with spin"], "'spin' is not a key generation such as sspin.C.2"),
    (["activate sspin.C.1"], "'activate sspin.C.1': there is no key sspin.C.1"),
    (["activate spin"], "'spin' is not a key generation such as sspin.C.2"),
    (["activate spin.1"], "activate: the key is active; needs: generated"),
    (["restrict sspin.B.2"], "the key is its domain's current one; activate a newer one first"),
    (["resume spin.1"], "resume: the key is active; needs: suspended"),
    (["restrict sspin.B.1", "retire sspin.B.1", "resume sspin.B.1"], "resume: the key is retired; needs: suspended"),
    (["destroy spin.1"], "destroy: the key is active; needs: retired"),
    (["destroy"], "'destroy' is no action"),
    (["ratify spin.1"], "ratify: the key is active; needs: suspended"),
    (["suspend spin.1", "ratify spin.1", "ratify spin.1"], "its suspension is ratified already"),
    (["retire spin.1"], "retire: the key is active; needs: decrypt-only, suspended"),
    (["suspend spin.1", "retire spin.1"], "sspin.B.1, sspin.B.2, sspin.E.1 stand on it"),
    (["generate sspin.C backed up on vault-1"], "vault-1: no backup token of this ledger"),
    (["generate sspin.C backed up on"], "'generate sspin.C backed up on' is no action"),
    (["generate sspin.C without copies"], "'generate sspin.C without copies' is no action"),
    (["generate sspin.C without backup with spin.1"], "is no action"),
    (["make spin"], "'make spin' is no action"),
    (["generate"], "'generate' is no action"),
    (["activate spin.1 now"], "'activate spin.1 now' is no action"),
    ([""], "'' is no action"),
    ([], "a plan needs at least one action"),
]


@pytest.mark.parametrize(("lines", "message"), REFUSED, ids=[" ".join(lines) or "empty" for lines, _ in REFUSED])
def test_what_cannot_be_planned_is_refused(grown: LedgerState, lines: list[str], message: str) -> None:
    with pytest.raises(DraftRefused) as refused:
        drafting.keys(grown, lines, title="Keys", now=NOW)
    assert message in refused.value.message


def test_a_child_without_a_parent_key_is_refused_with_the_way_out(empty: LedgerState) -> None:
    with pytest.raises(DraftRefused) as refused:
        drafting.keys(empty, ["generate sspin.A"], title="Keys", now=NOW)
    assert refused.value.message == "generate sspin.A: its parent spin has no current key"
    assert refused.value.hint is not None
    assert "put 'generate spin' before it" in refused.value.hint


def test_a_key_is_copied_to_every_backup_token_unless_it_is_said_otherwise() -> None:
    book = paperkit.with_backup()
    book.add([ledgerkit.enroll(B2, B1)])
    lines = [
        "generate sspin.C",
        "generate sspin.C without backup",
        "generate sspin.C with spin.1 backed up on backup-2",
    ]
    lines.append("generate sspin.C backed up on backup-2, b1b1b1b1b1b1b1b1")
    made = drafting.keys(book.state, lines, title="Keys", now=NOW)
    told = [(action.generation, action.backups) for action in made.actions if isinstance(action, Generate)]
    assert told == [("sspin.C.1", (B1, B2)), ("sspin.C.2", ()), ("sspin.C.3", (B2,)), ("sspin.C.4", (B1, B2))]


def test_two_backup_tokens_of_one_label_are_told_apart_by_serial_number() -> None:
    book = paperkit.with_backup()
    state = book.state
    twin = replace(state.backups[B1], serial=B2)
    with pytest.raises(DraftRefused) as refused:
        holder({B1: state.backups[B1], B2: twin}, "backup-1")
    assert refused.value.message == "backup-1: 2 backup tokens have this label"
    assert refused.value.hint == f"give the serial number: {B1}, {B2}"


@pytest.mark.parametrize("days", [0, 91, -1])
def test_validity_is_bounded(grown: LedgerState, days: int) -> None:
    with pytest.raises(DraftRefused, match="valid for 1 to 90 days"):
        drafting.keys(grown, ["suspend spin.1"], title="Stop", now=NOW, valid_days=days)


@pytest.mark.parametrize("title", ["", "two\nlines", "right-to-left \u202e override", " padded", "x" * 201])
def test_titles_that_do_not_show_what_they_say_are_refused(grown: LedgerState, title: str) -> None:
    with pytest.raises(DraftRefused, match="title"):
        drafting.keys(grown, ["suspend spin.1"], title=title, now=NOW)


VERBS = ("generate", "activate", "restrict", "suspend", "ratify", "resume", "retire", "destroy", "with", "make")
THINGS = ("spin", "sspin.B", "sspin.C", "spin.1", "spin.2", "sspin.B.1", "sspin.B.3", "resident", "x", "sspin.C.1")


@given(st.lists(st.lists(st.sampled_from(VERBS + THINGS), max_size=4).map(" ".join), max_size=6))
def test_whatever_is_drafted_is_legal_and_the_rest_refused_in_words(lines: list[str]) -> None:
    state = ledgerkit_state()
    try:
        made = drafting.keys(state, lines, title="Keys", now=NOW)
    except DraftRefused as refused:
        assert refused.message
    else:
        assert len(fold.plan_effects(state, made)) == len(lines)


def ledgerkit_state(kept: list[LedgerState] = []) -> LedgerState:  # noqa: B006 -- made once
    if not kept:
        kept.append(ledgerkit.three_entries().state)
    return kept[0]


# --- genesis ------------------------------------------------------------------------------------

PEOPLE = (("officer-1", "officer"), ("officer-2", "officer"), ("officer-3", "officer"), ("oversight-1", "oversight"))
HEAD = """
participants = ["officer-1.json", "officer-2.json", "officer-3.json", "oversight-1.json"]
[token]
label = "kagimori"
serial = "0123456789abcdef"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Cards of four people."""
    for person_id, role in PEOPLE:
        person, _ = enroll.in_memory(person_id, f"氏名 {person_id}", role)  # type: ignore[arg-type]
        cards.write(tmp_path / f"{person_id}.json", person)
    return tmp_path


def genesis(folder: Path, text: str) -> Found:
    (folder / "setup.toml").write_text(text, encoding="utf-8")
    made = drafting.genesis(folder / "setup.toml", now=NOW)
    assert (made.sequence, made.previous) == (1, "0" * 64)
    (action,) = made.actions
    assert isinstance(action, Found)
    return action


def test_defaults_of_a_genesis(folder: Path) -> None:
    found = genesis(folder, HEAD)
    assert [domain.name for domain in found.domains] == [
        "resident", "common", "spin", *(f"sspin.{letter}" for letter in "ABCDEF")
    ]  # fmt: skip
    assert all(domain.title for domain in found.domains)
    assert found.roster.thresholds == dict(DEFAULT_THRESHOLDS)
    assert found.policy.roles == {}, "nobody may convert anything unless it is said"
    named = [*(domain.name for domain in found.domains if domain.parent), "log", "tag"]
    assert found.policy.keys.cryptoperiod_days == dict.fromkeys(named, 730)
    assert (found.policy.keys.backups, found.policy.keys.drill_days, found.policy.keys.ratify_days) == (0, 365, 3)
    assert [person.id for person in found.roster.people] == [person for person, _ in PEOPLE]


def test_everything_a_set_up_file_can_say(folder: Path) -> None:
    found = genesis(
        folder,
        'title = "Genesis of a rehearsal"\nrehearsal = true\n'
        + HEAD
        + """
[thresholds.keys]
officers = 3
oversight = 1

[[domains]]
name = "resident"
title = "住民票コード"
alphabet = "0123456789"
length = 11

[[domains]]
name = "spin"
title = "国民ID"
parent = "resident"
alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
length = 11

[[domains]]
name = "sspin.Z"
title = "decimal sector"
parent = "spin"
alphabet = "0123456789"
length = 18

[policy.hub]
pairs = [["resident", "sspin.Z"], ["sspin.Z", "sspin.Z"]]
purposes = ["linking"]
values_per_request = 10
values_per_minute = 100

[keys]
backups = 2
cryptoperiod_days = { spin = 1095, "sspin.Z" = 365 }
drill_days = 180
ratify_days = 1
""",
    )
    assert found.policy.keys == KeyRules(
        backups=2, cryptoperiod_days={"spin": 1095, "sspin.Z": 365}, drill_days=180, ratify_days=1
    )
    assert found.roster.thresholds["keys"].officers == 3
    assert [domain.name for domain in found.domains] == ["resident", "spin", "sspin.Z"]
    assert found.policy.roles["hub"].pairs == (("resident", "sspin.Z"), ("sspin.Z", "sspin.Z"))
    assert found.policy.roles["hub"].values_per_stream == 0
    assert drafting.genesis(folder / "setup.toml", now=NOW).rehearsal


def test_among_stands_for_every_ordered_pair(folder: Path) -> None:
    rule = """
[policy.hub]
among = ["sspin.A", "sspin.B", "sspin.C"]
pairs = [["sspin.A", "sspin.B"], ["sspin.A", "sspin.F"]]
purposes = ["exchange"]
values_per_request = 1
values_per_minute = 1
"""
    pairs = genesis(folder, HEAD + rule).policy.roles["hub"].pairs
    assert len(pairs) == len(set(pairs)) == 7


SETUP_REFUSED = [
    (HEAD + "[keys]\nbackup = 1\n", SetupRefused, "unknown field `backup`"),
    (HEAD + "[keys]\nratify_days = 0\n", SetupRefused, "Expected `int` >= 1"),
    (HEAD + "[keys]\ncryptoperiod_days = { resident = 9 }\n", DraftRefused, "'resident' is no domain of this ledger"),
    ("not toml at all", SetupRefused, "setup.toml: "),
    (HEAD + '[tokens]\nlabel = "x"\n', SetupRefused, "unknown field `tokens`"),
    (HEAD + '[policy.hub]\npurpose = ["x"]\n', SetupRefused, "unknown field `purpose`"),
    (HEAD.replace('serial = "0123456789abcdef"', ""), SetupRefused, "missing required field `serial`"),
    (HEAD.replace("officer-3.json", "nobody.json"), None, "nobody.json: cannot be read"),
    (HEAD.replace("officer-3.json", "officer-1.json"), DraftRefused, "officer-1 and officer-1 have the same id"),
    (HEAD.replace("officer-3.json", "setup.toml"), CardRefused, "setup.toml: not a participant card"),
    (HEAD + "[thresholds.keys]\nofficers = 0\noversight = 1\n", DraftRefused, "keys: 0 officer approvals"),
    (HEAD + "[thresholds.destroy]\nofficers = 4\noversight = 1\n", DraftRefused, "destroy: 4 officer approvals"),
    (HEAD + '[policy.hub]\npairs = [["sspin.A", "sspin.Q"]]\n', DraftRefused, "'sspin.Q' is no domain of this ledger"),
    (HEAD + '[policy.hub]\npairs = [["sspin.A", "sspin.B"]]\n', DraftRefused, "policy: hub: no purposes"),
    (HEAD.replace('"oversight-1.json"', ""), DraftRefused, "oversight approvals, but the roster has 0"),
]


@pytest.mark.parametrize(("text", "kind", "message"), SETUP_REFUSED, ids=[row[2] for row in SETUP_REFUSED])
def test_a_set_up_that_cannot_be_is_refused(
    folder: Path, text: str, kind: type[Exception] | None, message: str
) -> None:
    with pytest.raises(kind or Exception) as refused:
        genesis(folder, text)
    assert message in str(refused.value)
