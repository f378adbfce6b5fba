"""Keys given up in a recovery, on paper: drafted by name, shown loud, confirmed by name, and no trouble afterwards."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import ledgerkit
import paperkit
import pytest
from ledgerkit import B1, B2, NEW_TOKEN, NOW, Generate, make_policy, restore
from paperkit import Table

from appliance.ledger.actions import Activate, ChangePolicy, Restore
from appliance.ledger.states import KeyState
from keyceremony.errors import DraftRefused
from keyceremony.looking.reminders import reminders
from keyceremony.plans import changes
from keyceremony.plans.rotation import rotation
from keyceremony.showing import show_tokens
from keyceremony.table.approve import grave_subjects
from keyceremony.words import last_four

RESTORE = ["restore", "--label", "kagimori-2", "--serial", NEW_TOKEN, "--from", "backup-1"]
GIVE_UP = ["--give-up", "sspin.C.1", "--give-up", "spin.2"]


@pytest.fixture(scope="module")
def book() -> ledgerkit.Book:
    """spin.2 is current and sspin.C.1 is not active yet, both without a copy; sspin.B.2, with one, stands on spin.2."""
    made = paperkit.with_backup()
    made.add([Generate(generation="spin.2", parent=None), Activate(generation="spin.2")])
    made.add([Generate(generation="sspin.B.2", parent="spin.2", backups=(B1,)), Activate(generation="sspin.B.2")])
    made.add([Generate(generation="sspin.C.1", parent="spin.1")])
    return made


@pytest.fixture
def table(
    tmp_path: Path, book: ledgerkit.Book, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Table:
    return Table(tmp_path, book, monkeypatch, capsys)


@pytest.fixture
def restored(book: ledgerkit.Book) -> ledgerkit.Book:
    """The same after a recovery that gave both up."""
    grown = book.fork()
    grown.add([restore(B1, lost=("log.1", "spin.2", "sspin.C.1"))])
    return grown


# --- before -------------------------------------------------------------------------------------


def test_a_recovery_that_would_lose_keys_says_which_and_how_to_give_them_up(table: Table) -> None:
    told = table.run("plan", *RESTORE, *table.where)
    assert (told.code, told.message) == (1, "restore: no backup token has a copy of spin.2, sspin.C.1")
    assert told.hint == (
        "while the appliance's token works, do not restore; if it is lost, so are these keys: no number under them, or"
        " under keys that stand on them, can ever be converted again."
        " To give them up, add: --give-up spin.2 --give-up sspin.C.1"
    )
    half = table.run("plan", *RESTORE, "--give-up", "spin.2", *table.where)
    assert half.message == "restore: no backup token has a copy of sspin.C.1"
    assert half.hint.endswith("add: --give-up sspin.C.1")
    assert not list((table.ledger / "pending").iterdir())


def test_what_is_given_up_is_in_the_plan_and_loud(table: Table) -> None:
    drafted = table.must("plan", *RESTORE, *GIVE_UP, "--give-up", "spin.2", *table.where)
    (action,) = table.paper(table.newest()).plan.actions
    lost = ("log.1", "spin.2", "sspin.C.1")
    assert action == Restore(token_label="kagimori-2", token_serial=NEW_TOKEN, source=B1, lost=lost)
    for told in (drafted, table.must("show", str(table.newest()), *table.where)):
        lines = [line.strip() for line in told.splitlines()]
        at = lines.index(
            "GIVEN UP: spin.2 (active now): on no backup token; no number under it can ever be converted again"
        )
        assert lines[at + 1 : at + 3] == [
            "UNUSABLE without spin.2: sspin.B.2",
            "GIVEN UP: sspin.C.1 (generated now): on no backup token; no number under it can ever be converted again",
        ]
        assert "current key of spin: spin.2 → spin.1" in told
        assert "current key of log: log.1 → NONE: no daemon starts" in told


def test_an_ordinary_recovery_gives_up_the_log_key_alone(tmp_path: Path) -> None:
    """There never is a copy of it, so nobody has to say so; it is no loss that approvers must type."""
    state = paperkit.with_backup().state
    action = changes.restore(state, label="k", serial="1", source=B1)
    assert action == changes.restore(state, label="k", serial="1", source=B1, give_up=["log.1"])
    assert action.lost == ("log.1",)
    shown = list(show_tokens.details(action, state))
    assert not [line for line in shown if "GIVEN UP" in line]
    assert (
        "log.1 (active now) goes with the old token: what it signed stays valid; the next plan must make another"
        in shown
    )
    assert grave_subjects(ledgerkit.make_plan([action], state=state), state) == ["k"]


def test_without_the_ledger_the_names_are_shown_all_the_same() -> None:
    shown = list(show_tokens.details(restore(B1, lost=("spin.2",)), None))
    assert "GIVEN UP: spin.2: on no backup token; no number under it can ever be converted again" in shown


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["sspin.E.1"], f"sspin.E.1 must not be given up: restore from a token that has it: {B1}"),
        (["sspin.F.1"], "sspin.F.1: lose: the key is not there"),
        (["spin"], "--give-up spin: "),
    ],
)
def test_nothing_else_can_be_given_up(table: Table, names: list[str], message: str) -> None:
    more = [word for name in names for word in ("--give-up", name)]
    told = table.run("plan", *RESTORE, *GIVE_UP, *more, *table.where)
    assert told.code == 1
    assert message in told.message
    assert told.hint
    assert not list((table.ledger / "pending").iterdir())


def test_what_another_backup_token_has_is_not_to_be_given_up(book: ledgerkit.Book) -> None:
    grown = book.fork()
    grown.add([ledgerkit.enroll(B2)])
    grown.add([Generate(generation="sspin.F.1", parent="spin.1", backups=(B2,))])
    with pytest.raises(DraftRefused) as refused:
        changes.restore(grown.state, label="k", serial="1", source="backup-1")
    assert refused.value.message == "restore: no backup token has a copy of spin.2, sspin.C.1", "sspin.F.1 is not named"


def test_whoever_approves_types_what_is_given_up(table: Table) -> None:
    path = table.plan(*RESTORE, *GIVE_UP)
    words = last_four(table.paper(path).words)
    command = ["approve", str(path), "--as", "sato", *table.own("sato"), *table.where]
    told = table.run(*command, typed=f"{words}\nkagimori-2\n")
    assert (told.code, told.message) == (1, "'kagimori-2' is not what this plan is about; nothing was signed")
    assert "Type what it is about (kagimori-2 spin.2 sspin.C.1)" in told.out
    assert "GIVEN UP: spin.2 (active now)" in told.out
    assert "Approved as sato" in table.must(*command, typed=f"{words}\nkagimori-2 spin.2 sspin.C.1\n")


# --- afterwards ---------------------------------------------------------------------------------


def test_status_and_verify_show_the_key_as_lost(
    tmp_path: Path, restored: ledgerkit.Book, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Table(tmp_path, restored, monkeypatch, capsys)
    for command in ("status", "verify"):
        rows = [line.split() for line in table.must(command, *table.where).splitlines()]
        shown = {row[0]: row[1] for row in rows if len(row) > 3 and row[0][-1:].isdigit()}
        assert (shown["spin.2"], shown["sspin.C.1"], shown["spin.1"]) == ("lost", "lost", "active")
    assert '"state": "lost"' in table.must("status", "--json", *table.where)
    refused = table.run("plan", "keys", "activate sspin.C.1", "--title", "x", *table.where)
    assert "sspin.C.1: activate: the key is lost; needs: generated" in refused.message


def test_nobody_is_reminded_of_a_lost_key(book: ledgerkit.Book) -> None:
    rules = make_policy(backups=1, cryptoperiod_days={"spin": 1})
    strict = book.fork()
    strict.add([ChangePolicy(policy=rules)])
    due = {(one.kind, one.subject) for one in reminders(strict.state, NOW + timedelta(days=2))}
    assert {("backups", "spin.2"), ("backups", "sspin.C.1"), ("rotation", "spin.2")} <= due
    strict.add([restore(B1, lost=("log.1", "spin.2", "sspin.C.1"))])
    due = {(one.kind, one.subject) for one in reminders(strict.state, NOW + timedelta(days=2))}
    assert not {subject for _, subject in due} & {"spin.2", "sspin.C.1"}
    assert ("rotation", "spin.1") in due


def test_a_rotation_does_not_promise_what_cannot_be_re_keyed(restored: ledgerkit.Book) -> None:
    found = rotation(restored.state, "sspin.B")
    assert [action.generation for action in found.actions] == ["sspin.B.3", "sspin.B.3"]  # type: ignore[union-attr]
    assert found.actions[0].parent == "spin.1"  # type: ignore[union-attr]
    assert found.rekeyed == (("sspin.B.1", "sspin.B.3"),)
    assert found.warnings[0] == (
        "nothing can be re-keyed from sspin.B.2: it stands on spin.2, which is lost;"
        " its numbers are made anew from the resident code"
    )


def test_a_domain_whose_only_key_is_lost_gets_a_new_one(restored: ledgerkit.Book) -> None:
    with pytest.raises(DraftRefused) as refused:
        rotation(restored.state, "sspin.C")
    assert refused.value.message == "rotate sspin.C: it has no key in use"
    assert refused.value.hint == "make one: keyceremony plan keys 'generate sspin.C' 'activate sspin.C.2'"
    restored.add([Generate(generation="sspin.C.2", parent="spin.1", backups=(B1,)), Activate(generation="sspin.C.2")])
    key = restored.state.keys[restored.state.current["sspin.C"]]
    assert (str(key.generation), key.state) == ("sspin.C.2", KeyState.ACTIVE)


def test_a_backup_token_that_is_lost_as_well_is_named_and_loud(book: ledgerkit.Book) -> None:
    grown = book.fork()
    grown.add([ledgerkit.enroll(B2)])
    grown.add([Generate(generation="sspin.F.1", parent="spin.1", backups=(B2,))])
    given = {"label": "k", "serial": "1", "source": "backup-1", "lost_backups": ["backup-2"]}
    with pytest.raises(DraftRefused) as refused:
        changes.restore(grown.state, **given)
    assert refused.value.message == "restore: no backup token has a copy of spin.2, sspin.C.1, sspin.F.1"
    action = changes.restore(grown.state, **given, give_up=["spin.2", "sspin.C.1", "sspin.F.1"])
    assert action.lost_backups == (B2,)
    lines = list(show_tokens.details(action, grown.state))
    assert f"LOST: backup-2 (serial {B2}) leaves the ledger; nothing can be proven of its copies" in lines
    plan = ledgerkit.make_plan([action], state=grown.state)
    assert grave_subjects(plan, grown.state) == ["k", "spin.2", "sspin.C.1", "sspin.F.1", "backup-2"]
