"""The proof of a record: shown, saved, and checked by others than the portal; whatever was altered is found."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.cli import run as appliance
from appliance.portal import document as documents
from appliance.portal.proof import Standing, Trust, judge
from appliance.tlog import merkle
from tests.portal.conftest import Stage
from tests.watchkit import Witness
from tests.world import PROJECT

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Checked:
    """How a check ended."""

    code: int
    out: str
    err: str


Check = Callable[..., Checked]


@pytest.fixture
def check(stage: Stage, capsys: pytest.CaptureFixture[str]) -> Check:
    """``appliance portal check FILE`` with the right keys, or with others."""

    def run(file: Path, log_keys: list[str] | None = None, witnesses: list[str] | None = None) -> Checked:
        keys = stage.scene.log_keys if log_keys is None else log_keys
        known = list(stage.scene.witness.vkeys) if witnesses is None else witnesses
        words = [word for key in keys for word in ("--log-key", key)] + [w for key in known for w in ("--witness", key)]
        code = appliance(["portal", "check", str(file), *words])
        return Checked(code, *capsys.readouterr())

    return run


def saved(stage: Stage, path: str, file: Path, card: str = "rsa") -> Path:
    """What the portal gives, in a file."""
    page = stage.citizen(card).get(path)
    assert page.status == 200
    file.write_bytes(page.body)
    return file


@pytest.fixture
def old(stage: Stage) -> int:
    """A co-signed record."""
    return stage.scene.records["rsa"][2]


@pytest.fixture
def new(stage: Stage) -> int:
    """A record that is newer than the co-signed tree."""
    return stage.scene.records["rsa"][-1]


def test_the_page_shows_the_whole_proof(stage: Stage, old: int) -> None:
    page = stage.citizen().get(f"/history/{old}")
    assert "証明済み（連署あり）" in page.words
    entry = json.dumps(stage.daemon.records()[old - 1], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    leaf = merkle.leaf_hash(entry.encode())
    assert leaf.hex() in page.text
    assert stage.scene.witness.name in page.words
    assert "連署された木" in page.words


def test_a_new_record_is_proven_and_waits_for_the_witness(stage: Stage, new: int) -> None:
    page = stage.citizen().get(f"/history/{new}")
    assert "監視機関の連署はまだありません" in page.words
    assert "連署された木" not in page.words


def test_the_command_on_the_page_checks_the_file_on_the_page(stage: Stage, old: int, tmp_path: Path) -> None:
    citizen = stage.citizen()
    command = shlex.split(citizen.get(f"/history/{old}").pre("command"))
    assert command[:3] == ["appliance", "portal", "check"]
    (tmp_path / command[3]).write_bytes(citizen.get(f"/history/{old}/proof.json").body)
    arguments = [sys.executable, "-m", "appliance.cli", *command[1:]]
    env = {"PYTHONPATH": str(PROJECT), "PATH": ""}
    done = subprocess.run(arguments, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert f"record {old}: proven, co-signed: " in done.stdout
    assert f"by {stage.scene.witness.name}" in done.stdout
    assert done.stdout.endswith("\n1 proven, co-signed\n")


def test_the_whole_history_is_checked_too(stage: Stage, check: Check, tmp_path: Path) -> None:
    done = check(saved(stage, "/export.json", tmp_path / "h.json"))
    assert done.code == 1  # two records are too new
    mine = stage.scene.records["rsa"]
    assert done.out.endswith(f"\n{len(mine) - 2} proven, co-signed, 2 proven, not yet co-signed\n")


def altered(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    document["histories"][0]["conversions"][0] |= changes
    return document


def flipped(text: str) -> str:
    data = bytearray(b64decode(text))
    data[len(data) // 2] ^= 1
    return b64encode(bytes(data)).decode()


@pytest.mark.parametrize("place", ["entry", "purpose", "time", "proof", "cosigned_proof", "dropped"])
def test_an_altered_record_is_not_proven(stage: Stage, check: Check, old: int, tmp_path: Path, place: str) -> None:
    file = saved(stage, f"/history/{old}/proof.json", tmp_path / "r.json")
    document = json.loads(file.read_bytes())
    (one,) = document["histories"][0]["conversions"]
    changes: dict[str, Any] = {
        "entry": {"entry": flipped(one["entry"])},
        "purpose": {"purpose": "tax-assessment"},
        "time": {"time": "2020-01-01T00:00:00.000000Z"},
        "proof": {"proof": [flipped(one["proof"][0]), *one["proof"][1:]]},
        "cosigned_proof": {"cosigned_proof": [*one["cosigned_proof"][:-1], flipped(one["cosigned_proof"][-1])]},
        "dropped": {"cosigned_proof": None},
    }[place]
    file.write_text(json.dumps(altered(document, **changes)), encoding="utf-8")
    done = check(file)
    assert done.code == 1
    assert f"record {old}: NOT PROVEN: " in done.out


def test_an_altered_tree_is_said_loudly(stage: Stage, check: Check, old: int, tmp_path: Path) -> None:
    file = saved(stage, f"/history/{old}/proof.json", tmp_path / "r.json")
    document = json.loads(file.read_bytes())
    document["histories"][0]["root"] = flipped(document["histories"][0]["root"])
    file.write_text(json.dumps(document), encoding="utf-8")
    done = check(file)
    assert done.code == 1
    assert done.err == "the tree that these records are said to be in is NOT signed as it must be\n"
    assert done.out.endswith("1 NOT PROVEN\n")


def test_keys_of_others_prove_nothing(stage: Stage, check: Check, old: int, tmp_path: Path) -> None:
    file = saved(stage, f"/history/{old}/proof.json", tmp_path / "r.json")
    assert check(file, witnesses=list(Witness().vkeys)).out.endswith("1 NOT PROVEN\n")
    assert check(file, witnesses=list(Witness("other.example/w").vkeys)).code == 1
    wrong = check(file, log_keys=["nonsense"])
    assert (wrong.code, "Traceback" in wrong.err) == (2, False)
    assert check(file, witnesses=["nonsense"]).code == 2


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"type":"kagimori/history/v1"}', b"[" * 10_000])
def test_a_file_that_is_no_history(check: Check, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "r.json"
    file.write_bytes(content)
    done = check(file)
    assert (done.code, done.err) == (
        1,
        f"error: {file}: not a history\nhint: name a file that the portal gave you\n",
    )


def test_the_guides_own_check_needs_nothing_of_ours(stage: Stage, old: int, tmp_path: Path) -> None:
    """The Python of docs/portal.md: the standard library and OpenSSL; it takes the true proof, and no altered one."""
    file = saved(stage, f"/history/{old}/proof.json", tmp_path / "record.json")
    guide = (PROJECT / "docs" / "portal.md").read_text("utf-8")
    (script,) = BLOCK.findall(guide)
    (tmp_path / "check.py").write_text(script, encoding="utf-8")
    command = [sys.executable, "-I", "check.py", "record.json", stage.scene.log_keys[0]]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    done = run()
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"record {old} is in the log"
    document = json.loads(file.read_bytes())
    (one,) = document["histories"][0]["conversions"]
    for changes in ({"entry": flipped(one["entry"])}, {"proof": [*one["proof"][:-1], flipped(one["proof"][-1])]}):
        file.write_text(json.dumps(altered(json.loads(json.dumps(document)), **changes)), encoding="utf-8")
        assert run().returncode != 0
    document["histories"][0]["checkpoint"] = document["histories"][0]["checkpoint"].replace("\n", "\n ", 1)
    file.write_text(json.dumps(document), encoding="utf-8")
    assert run().returncode != 0


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_altered_byte_of_a_file_is_taken_for_proven(stage: Stage, document: bytes, data: st.DataObject) -> None:
    """Whatever byte of a history is another one: what is called co-signed then is what the log really has."""
    place = data.draw(st.integers(0, len(document) - 1))
    byte = data.draw(st.integers(0, 255))
    file = stage.scene.folder / "altered.json"
    file.write_bytes(document[:place] + bytes([byte]) + document[place + 1 :])
    try:
        histories = documents.read(file)
    except documents.DocumentRefused:
        return
    trust = Trust(tuple(stage.scene.log_keys), stage.scene.witness.vkeys)
    logged = stage.daemon.records()
    for history in histories:
        judged = judge(history, trust)
        for one in history.conversions:
            if judged.standing(one) is not Standing.UNPROVEN:
                true = logged[one.record - 1]
                assert json.loads(one.entry) == true
                assert (one.time, one.role, one.source, one.target) == tuple(
                    true[name] for name in ("time", "role", "source", "target")
                )
                assert (one.purpose, one.reference) == (true["purpose"], true["reference"])


@pytest.fixture(scope="module")
def document(stage: Stage) -> bytes:
    """A whole history as the portal gives it."""
    return stage.citizen().get("/export.json").body
