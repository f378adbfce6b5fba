"""A whole ledger replayed: it comes to the same states, is marked throughout, and production does not know of it."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from pathlib import Path

from lifekit import Life, Replayed, softhsm

from appliance.ledger import canonical, chain, servicekeys
from appliance.ledger import certificate as certificates
from appliance.ledger.actions import (
    AddDomain,
    ChangePolicy,
    ChangeRoster,
    Drill,
    EnrollBackup,
    EnrollClone,
    Found,
    Generate,
)
from appliance.ledger.roster import decode_certificate

ENTRIES = 18
NAMES_SOMEBODY = (Found, ChangeRoster, EnrollBackup, Drill, EnrollClone)


def test_a_replay_comes_to_the_same_states_and_says_so(replayed: Replayed, life: Life) -> None:
    assert replayed.done.code == 0, replayed.done.err
    assert f"The same state after each of {ENTRIES} entries. Nothing of it is real. 演習" in replayed.done.out
    assert "REHEARSAL of entry 8: The old key of B goes" in replayed.done.out
    real, played = life.state(), replayed.entries()[-1].state
    assert {str(g): str(k.state) for g, k in played.keys.items()} == {
        str(g): str(k.state) for g, k in real.keys.items()
    }
    assert played.policy == real.policy
    assert played.domains == real.domains


def test_a_replay_leaves_production_as_it_was(replayed: Replayed) -> None:
    assert replayed.before == replayed.after
    assert any(name.startswith("tokens/") for name in replayed.before)
    assert any(name.startswith("ledger/") for name in replayed.before)


def test_a_replay_has_another_anchor_and_no_key_of_production(replayed: Replayed, life: Life) -> None:
    played = replayed.entries()[-1].state
    assert played.anchor != life.anchor
    assert f"trust anchor of the original     {life.anchor}" in replayed.done.out
    assert f"trust anchor of the REHEARSAL    {played.anchor}" in replayed.done.out
    real = life.state()
    assert servicekeys.log_keys(played).keys() == servicekeys.log_keys(real).keys()
    assert not {*servicekeys.log_keys(played).values()} & {*servicekeys.log_keys(real).values()}
    assert not {key.key_id for key in played.keys.values()} & {key.key_id for key in real.keys.values()}
    assert not {key.check_value for key in played.keys.values()} & {key.check_value for key in real.keys.values()}


def test_everything_of_a_replay_is_marked(replayed: Replayed) -> None:
    for entry in replayed.entries():
        assert entry.plan.rehearsal
        assert entry.plan.title.startswith("REHEARSAL: ")
        assert entry.outcome.operator == "REHEARSAL"
        assert entry.outcome.token.label.startswith("REHEARSAL ")
        for person in entry.state.roster.people:
            assert person.name.startswith("REHEARSAL ")
            subject = decode_certificate(person.id, person.certificate).subject
            assert f"REHEARSAL {person.id}" in subject
        assert "REHEARSAL" in certificates.read(entry.state.identity_certificate).subject
    assert "演習" in (replayed.folder / "REHEARSAL.txt").read_text()


def test_another_program_sees_marked_tokens_only(replayed: Replayed) -> None:
    tool, module = softhsm()["KAGIMORI_PKCS11_TOOL"], softhsm()["KAGIMORI_SOFTHSM_MODULE"]
    env = {**os.environ, "SOFTHSM2_CONF": str(replayed.folder / "softhsm2.conf")}
    command = [str(tool), "--module", str(module), "--list-token-slots"]
    shown = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    labels = re.findall(r"token label\s*: (.*)", shown)
    wanted = ["kagimori", "backup-1", "backup-2", "scratch", "scratch 2", "spare", "clone"]
    assert sorted(labels) == sorted(f"REHEARSAL {label}" for label in wanted)


def test_openssl_reads_a_rehearsals_authorization(replayed: Replayed) -> None:
    """An outside judge sees the signatures, and the mark in the signed bytes."""
    file = replayed.folder / "ledger" / "000008.authorization.cms"
    command = [str(softhsm()["KAGIMORI_OPENSSL"]), "cms", "-verify", "-inform", "DER", "-noverify", "-in", str(file)]
    shown = subprocess.run(command, capture_output=True, check=True).stdout
    assert json.loads(shown)["rehearsal"] is True


def test_the_original_plans_lie_beside_it_byte_for_byte(replayed: Replayed, life: Life) -> None:
    held = life.held()
    kept = sorted((replayed.folder / "originals").iterdir())
    assert len(kept) == ENTRIES
    for number, path in enumerate(kept, start=1):
        agreed = chain.open_authorization(held[chain.authorization_name(number)])
        assert path.read_bytes() == agreed.plan_bytes
    told = json.loads((replayed.folder / "translation.json").read_text())
    assert told["plans"][0]["original"] == told["original_anchor"] == life.anchor
    assert told["plans"][0]["rehearsal"] == told["rehearsal_anchor"]
    assert {one["original_serial"] for one in told["tokens"]} == set(life.serials.values())


def test_actions_that_name_neither_token_nor_person_are_the_same_bytes(replayed: Replayed, life: Life) -> None:
    same = set()
    for real, played in zip(chain.verify_entries(life.held(), life.anchor), replayed.entries(), strict=True):
        for was, is_now in zip(real.plan.actions, played.plan.actions, strict=True):
            assert type(was) is type(is_now)
            if canonical.encode(was) == canonical.encode(is_now) and not getattr(was, "generation", "").startswith(
                "log"
            ):
                same.add(type(was))
    assert {AddDomain, ChangePolicy} <= same
    assert not same & {*NAMES_SOMEBODY, Generate}
    assert len(same) == len({AddDomain, ChangePolicy}) + 6  # activate, restrict, suspend, ratify, retire, destroy


def test_pins_are_in_files_for_their_owner_alone(replayed: Replayed) -> None:
    pins = list((replayed.folder / "pins").iterdir())
    assert len(pins) == 2 * 7
    assert {stat.S_IMODE(path.stat().st_mode) for path in pins} == {0o400}
    assert stat.S_IMODE(replayed.folder.stat().st_mode) == 0o700
    assert len({path.read_text() for path in pins}) == len(pins)
    assert not any(path.read_text().strip() in replayed.done.out + replayed.done.err for path in pins)


def test_no_pin_is_an_argument_of_softhsms_tool(life: Life, tmp_path: Path) -> None:
    """A tool in its place writes down how it was called."""
    real, heard = softhsm()["KAGIMORI_SOFTHSM2_UTIL"], tmp_path / "heard"
    tool = tmp_path / "softhsm2-util"
    tool.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>"{heard}"\nenv >>"{heard}"\nexec "{real}" "$@"\n')
    tool.chmod(0o755)
    path, folder = life.genesis_plan(tmp_path), tmp_path / "rehearsal"
    options = ["--module", str(softhsm()["KAGIMORI_SOFTHSM_MODULE"]), "--softhsm2-util", str(tool)]
    done = life.run("rehearse", str(path), *options, "--folder", str(folder))
    assert done.code == 0, done.err
    said = heard.read_text()
    assert "--init-token\n--free\n--label\nREHEARSAL kagimori\n" in said
    assert all(pin.read_text().strip() not in said for pin in (folder / "pins").iterdir())
