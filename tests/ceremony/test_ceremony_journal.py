"""Whoever can write to the pending folder while a run is cut off, without any PIN, must not get anything done by it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ceremonykit as kit
import livingkit
import pytest
from ceremonykit import Done, Stage
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from livingkit import agreed, strange, where

from appliance.ledger.actions import Action, EnrollBackup, Generate, RemoveBackup, Restore
from appliance.ledger.publickey import encode_transport_key
from appliance.numbers.domains import Generation

BACKUP = "backup-1"
Lines = list[dict[str, Any]]


@pytest.fixture
def guarded(guarded_stage: Stage, tmp_path: Path) -> Stage:
    return guarded_stage.copy(tmp_path / "stage")


def _enroll(stage: Stage) -> Action:
    serials = stage.serials
    return EnrollBackup(token_label="backup-2", token_serial=serials["backup-2"], copy_from=serials[BACKUP])


def _restore(stage: Stage) -> Action:
    spare, source = stage.serials["spare"], stage.serials[BACKUP]
    return Restore(token_label="spare", token_serial=spare, source=source, lost=("log.1",))


def _generate(stage: Stage) -> Action:
    return Generate(generation="sspin.B.2", parent="spin.1", backups=(stage.serials[BACKUP],))


def _cut_off(stage: Stage, action: Action, step: str, kind: str) -> Path:
    """A run killed just after it has written the line of that step and kind."""
    command = agreed(stage, action)
    whole = stage.copy(stage.folder.with_name("whole"))
    assert whole.run(*command).code == 0
    done = max((whole.ledger / "pending" / "carried-out").glob("*/*.journal.jsonl"))
    lines = [json.loads(line) for line in done.read_text().splitlines()]
    number = next(line["n"] for line in lines if (line["step"], line["kind"]) == (step, kind))
    assert stage.run(*command, kill=(number, "after")).code == -9
    whole.discard()
    (journal,) = (stage.ledger / "pending").glob("*.journal.jsonl")
    return journal


def _change(journal: Path, change: Callable[[Lines], None]) -> None:
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    change(lines)
    journal.write_text("".join(json.dumps({**line, "n": n}) + "\n" for n, line in enumerate(lines, start=1)))


def _both(stage: Stage) -> list[Done]:
    """What resume and abort say, each on a copy."""
    other = stage.copy(stage.folder.with_name("other"))
    return [stage.run("resume", *where(stage)), other.run("abort", "--reason", "cut off", *where(other))]


@pytest.mark.parametrize("label", [kit.APPLIANCE, BACKUP])
def test_a_journal_that_claims_a_key_in_use_removes_nothing(guarded: Stage, label: str) -> None:
    """Else the operator's own abort would destroy it for the intruder."""
    journal = _cut_off(guarded, _generate(guarded), "1.key", "made")
    in_use = guarded.state().keys[Generation("sspin.B", 1)].key_id.hex()
    data = {"token": guarded.serials[label], "key_id": in_use, "what": "key sspin.B.2"}
    _change(journal, lambda lines: lines.append({**lines[-1], "step": "1.other", "kind": "make", "data": data}))
    before = livingkit.objects(guarded)
    for told in _both(guarded):
        assert (told.code, told.error) == (1, "JournalDamaged")
        assert f"says that this run made {in_use}, which the ledger has had before" in told.message
        assert told.hint == "the journal was changed: do not resume or abort; find out who changed it"
    assert livingkit.objects(guarded) == before


def test_a_journal_that_names_another_token_is_refused(guarded: Stage) -> None:
    journal = _cut_off(guarded, _generate(guarded), "1.key", "made")

    def change(lines: Lines) -> None:
        next(line for line in lines if line["kind"] == "make")["data"]["token"] = guarded.serials["scratch"]

    _change(journal, change)
    for told in _both(guarded):
        assert (told.code, told.error) == (1, "JournalDamaged")
        assert "which the plan has nothing to do with" in told.message


def _software_key() -> str:
    public = rsa.generate_private_key(public_exponent=65537, key_size=3072).public_key()
    return encode_transport_key(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


@pytest.mark.parametrize("action", [_enroll, _restore])
def test_a_transport_key_from_the_journal_is_not_trusted(guarded: Stage, action: Callable[[Stage], Action]) -> None:
    """With it, every key of the backup token would be wrapped for the intruder."""
    journal = _cut_off(guarded, action(guarded), "1.transport", "made")

    def change(lines: Lines) -> None:
        next(line for line in lines if line["kind"] == "made")["data"]["public"] = _software_key()

    _change(journal, change)
    told = guarded.run("resume", *where(guarded))
    assert told.code == 1
    assert "its transport key is not the one that the journal tells of" in told.message
    assert "what was made in this run was removed again" in told.message
    assert strange(guarded) == []


def test_a_transport_key_that_the_journal_says_has_served_is_not_trusted_either(guarded: Stage) -> None:
    journal = _cut_off(guarded, _restore(guarded), "1.transport", "made")

    def change(lines: Lines) -> None:
        made = next(line for line in lines if line["kind"] == "made")
        made["data"]["public"] = _software_key()
        lines.append({**made, "kind": "erase", "data": {}})
        lines.append({**made, "kind": "erased", "data": {}})

    _change(journal, change)
    told = guarded.run("resume", *where(guarded))
    assert told.code == 1
    assert "its transport key is not the one that the journal tells of" in told.message


def test_copies_that_only_the_journal_knows_of_are_not_believed(guarded: Stage) -> None:
    """A restore that never happened must not become the ledger's."""
    state = guarded.state()
    journal = _cut_off(guarded, _restore(guarded), "1.transport", "made")
    answer = [
        {
            "generation": str(one.generation),
            "key_id": one.key_id.hex(),
            "check_value": one.check_value.hex(),
            "attributes": {},
            "origin": one.origin,
        }
        for one in state.keys.values()
        if one.generation.domain != "log"
    ]

    def change(lines: Lines) -> None:
        lines.append({**lines[-1], "step": "1.copies", "kind": "did", "data": {"answer": answer}})

    _change(journal, change)
    told = guarded.run("resume", *where(guarded))
    assert told.code == 1
    assert "on token 'spare'" in told.message and "it is not there" in told.message
    assert guarded.state().sequence == state.sequence


def test_what_the_journal_says_is_gone_is_looked_for_and_removed(guarded: Stage) -> None:
    remove = RemoveBackup(token_serial=guarded.serials[BACKUP], lost=False)
    (backup,) = guarded.state().backups.values()
    journal = _cut_off(guarded, remove, "1", "start")

    def change(lines: Lines) -> None:
        gone = [*(key.key_id for key in guarded.state().keys.values()), backup.transport_id, backup.identity_key_id]
        for key_id in gone:
            step = f"1.gone.{backup.serial}.{key_id.hex()}"
            for kind in ("destroy", "destroyed"):
                lines.append({**lines[-1], "step": step, "kind": kind, "data": {}})

    _change(journal, change)
    assert len(guarded.objects(BACKUP).splitlines()) > 20
    told = guarded.run("resume", *where(guarded))
    assert told.code == 0, told.err
    assert not guarded.state().backups
    assert guarded.objects(BACKUP).strip() == "", "the outcome says so, and it is so"


def test_an_identity_certificate_from_the_journal_is_not_taken(guarded: Stage) -> None:
    """The certificate is read from the token, so there is none in the journal to be changed."""
    journal = _cut_off(guarded, _enroll(guarded), "1.identity", "made")
    made = [json.loads(line) for line in journal.read_text().splitlines() if '"1.identity"' in line]
    assert [line["data"] for line in made if line["kind"] == "made"] == [{}]
    assert guarded.run("resume", *where(guarded)).code == 0
    assert strange(guarded) == []
