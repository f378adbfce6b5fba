"""The keys that sign the log and make subject tags, in words, in rotation, on paper, and exchanged on a token."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path

import ceremonykit as kit
import ledgerkit
import livingkit
import paperkit
import pytest
from ceremonykit import APPLIANCE, Stage
from ledgerkit import B1
from livingkit import agreed, carry_out, strange
from paperkit import Table

from appliance.ledger import servicekeys, services
from appliance.ledger.actions import (
    Action,
    Activate,
    Destroy,
    Generate,
    Restrict,
    Resume,
    Retire,
    Suspend,
    action_name,
    subject_of,
)
from appliance.ledger.fold import LedgerState
from appliance.numbers.domains import Generation
from keyceremony.errors import DraftRefused
from keyceremony.plans.rotation import Stage as RotationStage
from keyceremony.plans.rotation import rotation
from keyceremony.showing import show_keys
from tests.world import softhsm

TAMPER = Path(__file__).with_name("tokentamper.py")
LOG, TAG = Generation("log", 1), Generation("tag", 1)


@pytest.fixture(scope="module")
def book() -> ledgerkit.Book:
    """One backup token; the first keys, log.1 and tag.1 are active."""
    return paperkit.with_backup()


@pytest.fixture
def table(
    tmp_path: Path, book: ledgerkit.Book, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Table:
    return Table(tmp_path, book.fork(), monkeypatch, capsys)


@pytest.fixture
def guarded(guarded_stage: Stage, tmp_path: Path) -> Stage:
    """Two conversion keys and both service keys on a real token."""
    return guarded_stage.copy(tmp_path / "stage")


def told(actions: tuple[Action, ...]) -> list[str]:
    return [f"{action_name(action)} {subject_of(action)}" for action in actions]


# --- drafted in words -----------------------------------------------------------------------------


def test_the_words_find_numbers_and_copies_themselves(table: Table) -> None:
    path = table.plan("keys", "generate log", "generate tag", "activate log.2", "activate tag.2", "--title", "More")
    log, tag, *_ = table.paper(path).plan.actions
    assert log == Generate(generation="log.2", parent=None)
    assert tag == Generate(generation="tag.2", parent=None, backups=(B1,))
    shown = " ".join(table.must("show", str(path), *table.where).split())
    assert "監査記録への署名 (signs the audit log)" in shown
    assert "1. generate log.2: an Ed25519 pair that signs the log's checkpoints; it never leaves the token" in shown
    assert "2. generate tag.2: makes the subject tags by which one person's records are found" in shown
    assert f"copied to backup-1 (serial {B1}), then sealed" in shown
    assert "current key of log: log.1 → log.2" in shown
    assert "current key of tag: tag.1 → tag.2" in shown


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        (
            "generate log backed up on backup-1",
            "generate log: a key that signs the log is never copied",
            "leave 'backed up on …' out; a new one is made when its token is lost",
        ),
        ("generate log with spin.1", "generate log: it converts nothing, so it stands on no key", "leave 'with …' out"),
        ("generate tag with spin.1", "generate tag: it converts nothing, so it stands on no key", "leave 'with …' out"),
        ("generate sspin.E with tag.1", "its parent must be a generation of spin", "keyceremony status"),
        ("generate logs", "generate logs: no such domain", "sspin.F, log, tag"),
    ],
)
def test_what_cannot_be_drafted(table: Table, line: str, message: str, hint: str) -> None:
    refused = table.run("plan", "keys", line, "--title", "x", *table.where)
    assert (refused.code, message in refused.message, hint in refused.hint) == (1, True, True), refused.err


def test_a_tag_key_without_a_copy_is_told_of(table: Table) -> None:
    path = table.plan("keys", "generate tag without backup", "--title", "x")
    shown = " ".join(table.must("show", str(path), *table.where).split())
    assert "NO COPY: it can never leave the token; should the token be lost, so is every history under it" in shown


WORDS = [
    (Activate, "signs every checkpoint once", "new records are tagged with it"),
    (Restrict, "signs nothing any more; what it has signed stays valid", "look-ups still use it"),
    (Suspend, "without another active log key no daemon starts", "until resumed nobody finds the records"),
    (Resume, "may sign again", "look-ups use it again"),
    (Retire, "can never sign again", "nobody finds the records that were tagged with it any more"),
    (Destroy, "its public key stays in the ledger", "no record that was tagged with it can ever be found"),
]


@pytest.mark.parametrize(("kind", "log", "tag"), WORDS)
def test_each_move_is_told_in_words_of_its_own(book: ledgerkit.Book, kind: type[Activate], log: str, tag: str) -> None:
    for name, expected in (("log.1", log), ("tag.1", tag)):
        lines = list(show_keys.details(kind(generation=name), book.state))
        assert any(expected in line for line in lines), lines
        assert not any("number" in line and "person" not in line for line in lines), "nothing is converted with it"


def test_destroying_one_names_the_tokens_it_goes_from(book: ledgerkit.Book) -> None:
    log = list(show_keys.details(Destroy(generation="log.1"), book.state))
    assert any("is removed from kagimori (serial 0123456789abcdef); on each" in line for line in log)
    tag = list(show_keys.details(Destroy(generation="tag.1"), book.state))
    assert any(f"is removed from kagimori (serial 0123456789abcdef), backup-1 (serial {B1})" in line for line in tag)


# --- rotation -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", services.SERVICE)
def test_a_rotation_goes_through_the_same_four_plans(book: ledgerkit.Book, name: str) -> None:
    grown = book.fork()
    plans = []
    for _ in range(4):
        plans.append(rotation(grown.state, name))
        grown.add(plans[-1].actions)
    assert [told(one.actions) for one in plans] == [
        [f"generate {name}.2", f"activate {name}.2"],
        [f"restrict {name}.1"],
        [f"retire {name}.1"],
        [f"destroy {name}.1"],
    ]
    assert [one.stage for one in plans] == [
        RotationStage.MAKE,
        RotationStage.RESTRICT,
        RotationStage.RETIRE,
        RotationStage.DESTROY,
    ]
    assert all(one.rekeyed == () for one in plans)
    assert rotation(grown.state, name).stage is RotationStage.MAKE
    assert not any("re-key" in step.text for one in plans for step in one.steps)


def test_the_checklist_says_who_does_what_between(book: ledgerkit.Book) -> None:
    log, tag = rotation(book.state, "log"), rotation(book.state, "tag")
    assert [(step.status, step.text) for step in log.steps[:2]] == [
        ("this plan", "make and activate log.2; it signs every checkpoint once the daemon has reloaded the ledger"),
        (
            "next: the witnesses",
            "the daemon is reloaded, and the witnesses co-sign a checkpoint that log.2 has signed",
        ),
    ]
    assert log.steps[4].text == "destroy log.1: gone from its token, for ever; its public key stays in the ledger"
    assert [step.text for step in tag.steps[1:4]] == [
        "records tagged under tag.1 are pruned, when their time is over ([audit] retention_days)",
        "restrict tag.1: look-ups still use it",
        "retire tag.1: nobody finds the records that were tagged with it any more",
    ]
    assert log.warnings == tag.warnings == ()


def test_retiring_a_tag_key_is_warned_of(book: ledgerkit.Book) -> None:
    grown = book.fork()
    for _ in range(2):
        grown.add(rotation(grown.state, "tag").actions)
    assert rotation(grown.state, "tag").warnings == (
        "make sure that no history is owed any more of records that were tagged with the old key",
    )


def test_a_suspended_one_must_be_decided_about_first(book: ledgerkit.Book) -> None:
    stopped = book.fork()
    stopped.add(rotation(stopped.state, "log").actions)
    stopped.add([Suspend(generation="log.1")])
    with pytest.raises(DraftRefused) as refused:
        rotation(stopped.state, "log")
    assert refused.value.message == "rotate log: log.1 is suspended"


def test_a_lost_log_key_is_not_rotated_but_made_anew(book: ledgerkit.Book) -> None:
    restored = book.fork()
    restored.add([ledgerkit.restore(B1, lost=("log.1",))])
    with pytest.raises(DraftRefused) as refused:
        rotation(restored.state, "log")
    assert refused.value.message == "rotate log: it has no key in use"
    assert refused.value.hint == "make one: keyceremony plan keys 'generate log' 'activate log.2'"


# --- on tokens ------------------------------------------------------------------------------------


def tamper(stage: Stage, deed: str, key_id: bytes, label: str = APPLIANCE) -> None:
    module = str(softhsm()["KAGIMORI_SOFTHSM_MODULE"])
    env = {**stage.env, "KAGIMORI_MODULE": module, "KAGIMORI_TEST_PIN": kit.PIN}
    command = [sys.executable, str(TAMPER), deed, label, stage.serials[label], key_id.hex()]
    subprocess.run(command, env=env, check=True, timeout=60)


def key_id(state: LedgerState, generation: Generation) -> bytes:
    return state.keys[generation].key_id


@pytest.mark.parametrize(
    ("deed", "status", "text"),
    [
        ("exchange-log", "wrong key", "its signature does not verify with the public key that the ledger has"),
        ("exchange-public", "wrong key", "its public half on the token is not the one that the ledger has"),
        (
            "halve",
            "wrong attributes",
            "there is private_key under its CKA_ID, and there must be private_key, public_key",
        ),
        ("loosen", "wrong attributes", "attribute derive must be false, the token says true"),
        ("relabel", "wrong attributes", "its label is 'sspin.X.9'"),
        ("remove", "missing", "the ledger has it, and the token does not"),
    ],
)
def test_a_log_key_that_is_not_as_it_must_be(guarded: Stage, deed: str, status: str, text: str) -> None:
    assert strange(guarded) == []
    tamper(guarded, deed, key_id(guarded.state(), LOG))
    found = [one for one in livingkit.inventory(guarded)["findings"] if one["attention"]]
    assert [(one["status"], one["token"], one["subject"]) for one in found] == [(status, APPLIANCE, "log.1")]
    assert text in str(found[0]["text"])


def test_a_tag_key_that_was_exchanged(guarded: Stage) -> None:
    tamper(guarded, "exchange-copy", key_id(guarded.state(), TAG))
    assert strange(guarded) == [("wrong check value", APPLIANCE, "tag.1")]


def test_a_log_key_that_nobody_agreed_on(guarded: Stage) -> None:
    tamper(guarded, "add-log", secrets.token_bytes(16))
    assert strange(guarded) == [("unknown", APPLIANCE, "log.9")] * 1
    taken = agreed(guarded, *(Generate(generation=f"log.{number}", parent=None) for number in range(2, 10)))
    refused = guarded.run(*taken)
    assert refused.error == "KeyLabelTaken"
    assert "holds a key log.9 that the ledger does not know" in refused.message


def test_the_minutes_tell_the_public_key(guarded: Stage) -> None:
    carry_out(guarded, Generate(generation="log.2", parent=None), Activate(generation="log.2"))
    guarded.must("minutes", str(guarded.state().sequence), "--config", "kagimori.toml", "--out", "minutes.html")
    page = (guarded.folder / "minutes.html").read_text(encoding="utf-8")
    assert servicekeys.log_keys(guarded.state())[Generation("log", 2)].hex() in page
    assert "public key (Ed25519, in hex)" in page and "公開鍵（Ed25519、16進）" in page


def test_a_log_key_that_vanished_while_its_run_was_cut_off(guarded: Stage) -> None:
    command = agreed(guarded, Generate(generation="log.2", parent=None))
    assert guarded.run(*command, kill=(4, "after")).code == -9
    shown = {one["subject"]: one for one in livingkit.inventory(guarded)["findings"]}
    left = bytes.fromhex(str(shown["staging log.2"]["key_id"]))
    tamper(guarded, "exchange-log", left)
    resumed = guarded.run("resume", *livingkit.where(guarded))
    assert resumed.code == 0, "whatever pair is there now is tried and told of"
    assert strange(guarded) == []
