"""The desk beside a real daemon on a real token: what is done is on its pages, and a plan is approved as they say."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from deskkit import DeskProcess, until, written
from msgspec.structs import replace

from appliance.hubkit import Client
from appliance.ledger.policy import LogRules
from appliance.oversight.witness import keys
from keyceremony import workspace
from keyceremony.plans import drafting, setup_file
from keyceremony.table import papers
from keyceremony.table.approve import approve
from tests.daemonkit import Daemon
from tests.world import PIN, PROJECT, World, build_world, default_policy, init_token, softhsm

NAME = "oversight.example/desk"
TITLE = "鍵の更新 </pre><script>alert(1)</script>"
CONFIG = '[ceremony]\nconfig = "kagimori.toml"\nevery_seconds = 1\n'


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world whose policy names a witness and in which oversight-1 has their key on a token of their own."""
    folder = tmp_path_factory.mktemp("k") / "w"
    made = keys.make(folder.parent / "keys", NAME, None)
    specs = setup_file.default_specs()
    rules = LogRules(witnesses=tuple(map(str, made.vkeys)), warn_seconds=600, refuse_seconds=3_600)
    policy = replace(default_policy(specs), log=rules)
    built = build_world(folder, domains=specs, policy=policy, keys=("common", "spin", "sspin.B", "sspin.E"))
    _onto_token(built, "oversight-1")
    return built


def _onto_token(world: World, person: str) -> None:
    """Put a person's software key onto a new token, as a person has one."""
    init_token(world.folder, person, PIN)
    kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = world.folder / "key.pem"
    pem.write_bytes(world.signers[person]._key.private_bytes(*kind))
    tool = [str(softhsm()["KAGIMORI_SOFTHSM2_UTIL"]), "--import", str(pem), "--token", person, "--pin", PIN]
    subprocess.run([*tool, "--label", "own", "--id", "01"], env=world.env, check=True, capture_output=True)
    pem.unlink()


@pytest.fixture
def plan(world: World) -> Iterator[Path]:
    """A pending plan that officer-1 has approved, one of the three who must."""
    state = world.state()
    drafted = drafting.keys(state, ["generate sspin.B", "activate sspin.B.2"], title=TITLE, now=datetime.now(UTC))
    path = workspace.plan_path(world.ledger, drafted.sequence)
    workspace.make_pending(world.ledger)
    paper = papers.paper_of(path, drafted)
    workspace.create(path, paper.data)
    roster = papers.roster_for(drafted, state)
    approve(paper, papers.person_in(roster, "officer-1"), world.signers["officer-1"], now=datetime.now(UTC))
    yield path
    workspace.put_away(path, drafted.sequence, workspace.WITHDRAWN)


@pytest.fixture
def desk(world: World) -> Iterator[DeskProcess]:
    config = written(world.folder, world.anchor, more=CONFIG, socket_path=world.socket("oversight"))
    with DeskProcess(config, world.env) as running:
        yield running


def logged(world: World) -> int:
    """How many records there are, all of them signed for."""
    with Client(world.socket("oversight")) as client:
        until(lambda: client.status()["audit"]["signed"] == client.status()["audit"]["records"])
        return int(client.status()["audit"]["records"])


def caught_up(desk: DeskProcess, world: World) -> None:
    size = logged(world)
    until(lambda: f"verified up to record {size:,}." in desk.page("/").words)


def test_what_is_done_is_on_the_pages_and_only_looked_at(world: World, desk: DeskProcess) -> None:
    """Against the records on the daemon's disk; and nothing that the desk does leaves one."""
    with Daemon(world) as daemon:
        numbers = daemon.numbers("resident", "sspin.B", ["01234567890", "11111111111"], role="numbering")
        for _ in range(3):
            daemon.numbers("sspin.B", "sspin.E", numbers)
        assert daemon.convert("sspin.B", "sspin.E", numbers, purpose="curiosity").status == 403
        caught_up(desk, world)
        records = daemon.records()
        words = desk.page("/").words
        assert "The appliance in order ready 1 of 1 engine serving" in words
        assert "Refused today for information 1 request" in words
        assert "Cosignatures ACT ON THIS a witness has not co-signed warns after 10 min · refuses after 1 h" in words
        cells = [row for row in desk.page("/use").rows if row and row[0].startswith("sspin.B")]
        assert any("6" in row for row in cells)
        assert any(row[0].startswith("purpose_denied") for row in desk.page("/refusals").rows if row)
        _cosign(world)
        until(lambda: "Cosignatures in order" in desk.page("/").words)
        assert desk.page("/log", "ja").words.count("新しい") >= 2
        marked = next(one["record"] for one in records if one["kind"] == "conversion")
        shown = desk.page(f"/record/{marked}")
        line = json.dumps(records[marked - 1], ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        assert line in shown.verbatim
        assert [one for one in daemon.records() if one.get("role") == "oversight"] == []
    until(lambda: "Not working: Reading and verifying the log" in desk.page("/").words)
    assert f"verified up to record {len(records):,}." in desk.page("/keys").words


def _cosign(world: World) -> None:
    words = ["--keys", "../keys", "--state", "witness", "--anchor", world.anchor, "--begin"]
    command = [sys.executable, "-m", "appliance.cli", "oversight", "witness", *words]
    socket = ["--socket", str(world.socket("oversight"))]
    subprocess.run([*command, *socket], cwd=world.folder, env=world.env, check=True, capture_output=True)


def test_what_a_person_does_not_recognise_is_shown_beside_its_conversion(world: World, desk: DeskProcess) -> None:
    with Daemon(world) as daemon:
        (common,) = daemon.numbers("resident", "common", ["01234567890"], role="numbering")
        (number,) = daemon.numbers("resident", "sspin.B", ["01234567890"], role="numbering")
        daemon.numbers("sspin.B", "sspin.E", [number])
        with Client(world.socket("portal")) as portal:
            marked = portal.history("common", common, reference="session 1").conversions[0].record
            portal.mark("common", common, marked, reference="session 1")
        caught_up(desk, world)
        assert "Not recognised by the person look at this 1 in the last seven days" in desk.page("/").words
        (row,) = [row for row in desk.page("/marks").rows if f"{marked:,}" in row]
        assert row[4].startswith("hub uid")
        assert row[5].startswith("sspin.B.1 → sspin.E.1 exchange · a test")
        assert "直近 7 日の申告" in desk.page("/marks", "ja").words
        assert f"/record/{marked}" in desk.page("/marks").links


def test_a_plan_is_approved_with_the_very_command_of_the_page(world: World, plan: Path, desk: DeskProcess) -> None:
    """One of three has approved: who is missing is named, and what oversight-1 types is there to be copied."""
    with Daemon(world):
        caught_up(desk, world)
        until(lambda: "for oversight's approval" in desk.page("/").words)
        page = desk.page("/plans")
        assert "Missing: 1 officer, 1 oversight" in page.words
        assert [row[:3] for row in page.rows if row[0].startswith(("officer", "oversight"))] == [
            ["officer-1", "officer", "approved"],
            ["officer-2", "officer", "may approve (1 more needed)"],
            ["officer-3", "officer", "may approve (1 more needed)"],
            ["oversight-1", "oversight", "may approve (1 more needed)"],
        ]
        assert page.verbatim[0].startswith("Plan 3: 鍵の更新 </pre><script>alert(1)</script>\n")
        assert "sspin.B.2" in page.verbatim[0]
        assert "script" not in {tag for tag, _ in page.tags}
        assert "足りない承認：保安責任者 あと 1 人、監視機関 あと 1 人" in desk.page("/plans", "ja").words
        command = next(text for text in page.verbatim if "approve" in text.split()[:2])
        typed = next(one for one in page.texts if re.fullmatch(r"[a-z]+( [a-z]+){3}", one) and _last(page.texts, one))
        _as_typed(world, command, typed)
        until(lambda: "Missing: 1 officer " in desk.page("/plans").words)
        after = desk.page("/plans")
        assert ["oversight-1", "oversight", "approved"] in [row[:3] for row in after.rows]
        assert not any("--as oversight-1" in text for text in after.verbatim)
        assert "1 for others, or to be carried out" in desk.page("/").words


def _last(texts: list[str], one: str) -> bool:
    """Whether it is the last of the four groups of words."""
    groups = [text for text in texts if re.fullmatch(r"[a-z]{4,8}( [a-z]{4,8}){3}", text)]
    return groups[3:4] == [one]


def _as_typed(world: World, command: str, words: str) -> None:
    """What the page says, and two answers: the PIN (from a file, for want of a terminal) and the last four words."""
    program, *rest = shlex.split(command)
    assert program == "keyceremony"
    ran = subprocess.run(
        [sys.executable, "-m", "keyceremony.cli", *rest, "--pin-file", str(world.pin_file)],
        input=f"{words}\n",
        env={**world.env, "PYTHONPATH": str(PROJECT)},
        cwd=os.path.sep,  # wherever it is typed
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Approved as oversight-1, signature verified" in ran.stdout
