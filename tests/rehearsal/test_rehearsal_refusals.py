"""A rehearsal touches throw-away tokens and nothing else: what it refuses, and that it leaves nothing behind then."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from lifekit import Life, softhsm

from keyceremony.rehearsal import folder as folders
from keyceremony.rehearsal.child import load_softhsm
from keyceremony.rehearsal.errors import NotThrowAway
from keyceremony.rehearsal.events import Failed, decode
from tests.world import PROJECT


def _module() -> str:
    return str(softhsm()["KAGIMORI_SOFTHSM_MODULE"])


def _replay(life: Life, *more: str, module: str | None = None) -> list[str]:
    return ["rehearse", "--replay", str(life.ledger), "--anchor", life.anchor, "--module", module or _module(), *more]


def test_a_module_that_is_not_softhsms_is_refused(life: Life, tmp_path: Path) -> None:
    """The one for smart cards, which comes with pkcs11-tool; unpacked rather than installed, it does not even start."""
    cards = softhsm()["KAGIMORI_PKCS11_SPY"].resolve().with_name("opensc-pkcs11.so")
    asked = _replay(life, "--discard", "--folder", str(tmp_path / "rehearsal"), module=str(cards))
    done = life.run(*asked)
    assert done.code == 1
    told = (f"{cards}: is made by OpenSC Project; a rehearsal uses SoftHSM only", f"{cards}: cannot be used")
    assert any(message in done.err for message in told), done.err
    assert not (tmp_path / "rehearsal").exists()


def test_the_maker_of_a_module_decides() -> None:
    library = SimpleNamespace(manufacturer_id="OpenSC Project".ljust(32))
    with (
        patch("keyceremony.rehearsal.child.slots.load", return_value=library),
        pytest.raises(
            NotThrowAway, match=r"m\.so: is made by OpenSC Project; a rehearsal uses SoftHSM only"
        ) as refused,
    ):
        load_softhsm(Path("m.so"))
    assert "no token was touched" in str(refused.value.hint)


def test_a_module_that_is_none_is_told(life: Life, tmp_path: Path) -> None:
    done = life.run(*_replay(life, "--discard", "--folder", str(tmp_path / "rehearsal"), module=str(tmp_path / "x.so")))
    assert done.code == 1
    assert (
        f"before the first entry: TokenModuleError: PKCS#11 module {tmp_path}/x.so: there is no such file" in done.err
    )
    assert not (tmp_path / "rehearsal").exists()


def test_the_process_that_carries_out_refuses_the_callers_own_tokens(life: Life, tmp_path: Path) -> None:
    """Started by hand, with production's SOFTHSM2_CONF, or with one that was changed."""
    genesis = life.held()["000001.authorization.cms"]
    made = folders.create(tmp_path / "rehearsal", [genesis], None)
    before = life.fingerprints()
    said = _child(made, str(life.folder / "softhsm2.conf"))
    assert said.name == "NotThrowAway"
    assert f"SOFTHSM2_CONF is {life.folder}/softhsm2.conf: not the one that names the tokens of this" in said.message
    made.configuration.write_text((life.folder / "softhsm2.conf").read_text())
    assert _child(made, str(made.configuration)).name == "NotThrowAway"
    assert life.fingerprints() == before


def _child(made: folders.Folder, configuration: str) -> Failed:
    command = [sys.executable, "-m", "keyceremony.rehearsal.child", str(made.root), _module()]
    env = {**os.environ, "SOFTHSM2_CONF": configuration, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == ""
    event = decode(done.stdout.splitlines()[-1])
    assert isinstance(event, Failed)
    return event


def test_a_folder_that_is_there_is_not_written_over(life: Life, tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    done = life.run(*_replay(life, "--discard", "--folder", str(tmp_path / "evidence")))
    assert done.code == 1
    assert "evidence: exists already; nothing is overwritten" in done.err
    assert "give --folder DIR" in done.err
    assert (tmp_path / "evidence").is_dir()


def test_a_rehearsal_does_not_lie_in_the_real_ledger(life: Life) -> None:
    """Every reader would refuse a ledger with something strange in it."""
    before = life.fingerprints()
    for place in (life.ledger, life.ledger / "pending" / "rehearsal"):
        done = life.run(*_replay(life, "--folder", str(place)))
        assert done.code == 1
        assert f"{place}: lies in the real ledger {life.ledger}" in done.err
    assert life.fingerprints() == before


def test_softhsms_tool_is_named_when_it_is_missing(life: Life, tmp_path: Path) -> None:
    env = {**life.env, "PATH": str(tmp_path)}
    elsewhere = tmp_path / "libsofthsm2.so"
    elsewhere.symlink_to(_module())
    done = life.run(*_replay(life, module=str(elsewhere)), env=env)
    assert done.code == 1
    assert f"softhsm2-util is not on the PATH and not near {elsewhere}" in done.err
    assert "install the package softhsm2, or give --softhsm2-util PATH" in done.err


def test_softhsms_tool_is_found_near_its_module(life: Life, tmp_path: Path) -> None:
    """As where packages were unpacked into a folder."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "softhsm2-util").symlink_to(softhsm()["KAGIMORI_SOFTHSM2_UTIL"])
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libsofthsm2.so").symlink_to(_module())
    plan, module = str(life.genesis_plan(tmp_path)), str(tmp_path / "lib" / "libsofthsm2.so")
    options = ["--module", module, "--folder", str(tmp_path / "rehearsal")]
    done = life.run("rehearse", plan, *options, env={**life.env, "PATH": str(tmp_path)})
    assert done.code == 0, done.err


def test_a_tool_that_fails_leaves_no_folder(life: Life, tmp_path: Path) -> None:
    tool = tmp_path / "softhsm2-util"
    tool.write_text("#!/bin/sh\necho 'ERROR: no room'\nexit 3\n")
    tool.chmod(0o755)
    done = life.run(*_replay(life, "--folder", str(tmp_path / "rehearsal"), "--softhsm2-util", str(tool)))
    assert done.code == 1
    assert f"{tool} did not make the token REHEARSAL kagimori: ERROR: no room" in done.err
    assert not (tmp_path / "rehearsal").exists()


def test_a_tampered_ledger_is_not_replayed(life: Life, tmp_path: Path) -> None:
    copy = tmp_path / "ledger"
    copy.mkdir()
    for name, data in life.held().items():
        (copy / name).write_bytes(data.replace(b"First keys", b"Other keys"))
    done = life.run("rehearse", "--replay", str(copy), *life.where, "--folder", str(tmp_path / "rehearsal"))
    assert done.code == 4
    assert "000003.authorization.cms" in done.err
    assert not (tmp_path / "rehearsal").exists()


def test_one_thing_is_rehearsed_at_a_time(life: Life) -> None:
    for given in ([], ["plan.json", "--replay", str(life.ledger)]):
        done = life.run("rehearse", *given)
        assert done.code == 2
        assert "give either PLAN or --replay LEDGER" in done.err
    done = life.run("rehearse", "--replay", "nowhere", *life.where)
    assert done.code == 4
    assert "nowhere: no such folder" in done.err
