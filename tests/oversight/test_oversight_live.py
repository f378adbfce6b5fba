"""Oversight against a real daemon on a real token: copy, co-sign, verify, through a crash, a key change and a fork."""

from __future__ import annotations

import dataclasses
import json
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace
from runkit import Run

from appliance.audit import records
from appliance.hubkit import Client, HistoryUnproven, Refused, verify_history
from appliance.ledger import annexes, canonical, cms
from appliance.ledger.annexes import Refusal
from appliance.ledger.policy import LogRules
from appliance.ledger.text import render_instant
from appliance.oversight.copy import Copy
from appliance.oversight.verify.whole import Demands, Verified, verify
from appliance.oversight.witness import keys
from keyceremony.plans import setup_file
from tests.daemonkit import Daemon, copy_world, wait_for
from tests.world import World, build_world, default_policy

NAME = "oversight.example/live"
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "oversight-guide.md"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world whose policy names a witness; its keys are beside it. Nobody has started its daemon yet."""
    folder = tmp_path_factory.mktemp("l") / "w"
    made = keys.make(folder.parent / "keys", NAME, None)
    specs = setup_file.default_specs()
    policy = replace(default_policy(specs), log=LogRules(witnesses=tuple(map(str, made.vkeys))))
    world = build_world(folder, domains=specs, policy=policy, keys=("common", "spin", "sspin.B", "sspin.E"))
    made_at = folder / "keys"
    (folder.parent / "keys").rename(made_at)
    return world


@pytest.fixture
def world(original: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    return copy_world(original, tmp_path_factory.mktemp("l") / "w")


@pytest.fixture
def daemon(world: World) -> Iterator[Daemon]:
    with Daemon(world) as running:
        yield running


class Body:
    """The oversight body: its commands, with the options that are always the same."""

    def __init__(self, world: World, run: Run) -> None:
        self.world = world
        self.folder = world.folder / "oversight"
        self.folder.mkdir(exist_ok=True)
        self.copy = self.folder / "copy"
        self._run = run
        self._begun = False

    def witness(self, *words: object, code: int = 0) -> dict[str, object]:
        begin = () if self._begun else ("--begin",)
        self._begun = True
        options = ("--keys", self.world.folder / "keys", "--state", self.folder / "state", "--json", *begin)
        ran = self._run("witness", *options, "--anchor", self.world.anchor, *words)
        assert ran.code == code, ran.err
        return dict(json.loads(ran.out)) if code == 0 else {"said": ran.err}

    def over_socket(self, code: int = 0) -> dict[str, object]:
        return self.witness("--socket", self.world.socket("oversight"), code=code)

    def export(self) -> dict[str, object]:
        ran = self._run(
            "export", self.copy, "--socket", self.world.socket("oversight"), "--anchor", self.world.anchor, "--json"
        )
        assert ran.code == 0, ran.err
        return dict(json.loads(ran.out))

    def verify(self, *, witnessed: bool = True) -> Verified:
        vkeys = keys.load(self.world.folder / "keys", str).vkeys if witnessed else ()
        return verify(self.copy, self.world.anchor, Demands(witnesses=vkeys))


@pytest.fixture
def body(world: World, run: Run) -> Body:
    return Body(world, run)


def covered(world: World, size: int) -> None:
    """Until a checkpoint covers so many records."""

    def reached() -> bool:
        try:
            return int(client.log_piece("checkpoint").split(b"\n")[1]) >= size
        except Refused:  # the first one is being signed
            return False

    with Client(world.socket("oversight")) as client:
        wait_for(reached)


def clean(result: Verified) -> bool:
    assert [str(one) for one in result.findings.kept] == []
    return result.clean


def test_copied_cosigned_and_verified(body: Body, daemon: Daemon) -> None:
    """What was converted is in the copy, and nothing is wrong with it; every record of the disk is there."""
    numbers = daemon.numbers("resident", "sspin.B", ["01234567890", "11111111111"], role="numbering")
    for _ in range(300):
        daemon.numbers("sspin.B", "sspin.E", numbers)
    covered(daemon.world, 300)
    first = body.over_socket()
    assert first["read"] == first["size"]
    daemon.numbers("sspin.B", "sspin.E", numbers)
    body.export()
    assert clean(body.verify())
    entries = [entry for _, entry in Copy(body.copy).records(Copy(body.copy).head().size)]
    assert [json.loads(entry) for entry in entries] == daemon.records()[: len(entries)]
    assert body.over_socket()["before"] == first["size"]


def test_carried_to_the_witness_and_back(body: Body, daemon: Daemon, run: Run) -> None:
    """A witness that no cable leads to: a copy goes there, a note comes back."""
    covered(daemon.world, 3)
    size = body.export()["size"]
    note = body.folder / "cosigned.note"
    assert body.witness("--copy", body.copy, "--output", note)["size"] == size
    ran = run("deliver", note, "--socket", daemon.world.socket("oversight"))
    assert (ran.code, ran.out) == (0, f"accepted for size {size}: {NAME}\n")
    assert body.export()["cosigned_size"] == size
    assert clean(body.verify())


def test_through_a_crash_and_a_restart(world: World, body: Body) -> None:
    """SIGKILL, and a clean restart: one history, with a remark about the start that no stop precedes."""
    with Daemon(world) as daemon:
        numbers = daemon.numbers("resident", "sspin.B", ["01234567890"], role="numbering")
        daemon.numbers("sspin.B", "sspin.E", numbers)
        covered(world, daemon.records()[-1]["record"])
        body.over_socket()
        daemon.signal(signal.SIGKILL)
        daemon.wait()
    with Daemon(world) as daemon:
        daemon.numbers("sspin.B", "sspin.E", numbers)
        covered(world, daemon.records()[-1]["record"])
        body.over_socket()
        assert daemon.stop() == 0
    with Daemon(world) as daemon:
        covered(world, daemon.records()[-1]["record"])
        body.over_socket()
        body.export()
    result = body.verify()
    assert clean(result)
    assert len(result.told.crashes) == 1


def test_the_log_key_is_replaced_while_it_runs(world: World, body: Body, daemon: Daemon) -> None:
    """A ceremony makes log.2 the current one: the log goes on, and both names are in the ledger."""
    covered(world, 3)
    body.over_socket()
    before = daemon.records()[-1]["record"]
    world.ceremony(["generate log", "activate log.2"], "Another log key")
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: any(one["kind"] == "ledger_loaded" and one["record"] > before for one in daemon.records()))
    covered(world, daemon.records()[-1]["record"])
    body.over_socket()
    assert body.export()["signed_by"] == "log.2"
    assert clean(body.verify())


def test_a_ledger_with_annexes_comes_along(world: World, body: Body) -> None:
    """A signed refusal waits beside the ledger; the copy's ledger is whole with it, and so is the log's."""
    made = Refusal(
        type="kagimori/refusal/v1",
        sequence=3,
        plan="ab" * 32,
        person="oversight-1",
        reason="not today",
        at=render_instant(datetime.now(UTC)),
    )
    data = cms.sign(canonical.encode(made), world.signers["oversight-1"], datetime.now(UTC))
    name = "000003.refusal.1.cms"
    assert annexes.NAME.fullmatch(name)
    (world.ledger / name).write_bytes(data)
    with Daemon(world):
        covered(world, 3)
        body.over_socket()
        body.export()
    assert name in Copy(body.copy).ledger()
    assert clean(body.verify())


def test_the_log_put_back_is_refused_by_the_witness(world: World, body: Body) -> None:
    """Somebody puts the whole appliance back, log, state and ledger: it starts, and only the witness can tell."""
    with Daemon(world) as daemon:
        numbers = daemon.numbers("resident", "sspin.B", ["01234567890"], role="numbering")
        covered(world, daemon.records()[-1]["record"])
        body.over_socket()
    saved = copy_world(world, world.folder.parent / "saved")
    with Daemon(world) as daemon:
        for _ in range(5):
            daemon.numbers("sspin.B", "sspin.E", numbers)
        covered(world, daemon.records()[-1]["record"])
        body.over_socket()
        size = body.export()["size"]
    old = Body(saved, body._run)
    old.folder, old.copy, old._begun = body.folder, body.copy, True
    with Daemon(saved) as daemon:
        covered(saved, daemon.records()[-1]["record"])
        said = str(old.over_socket(code=1)["said"])
        assert "error: the log shrank: seen before: size " in said
        with pytest.raises(AssertionError, match="the log shrank"):
            old.export()
        for _ in range(int(str(size))):
            daemon.numbers("sspin.B", "sspin.E", numbers)
        covered(saved, daemon.records()[-1]["record"])
        (old.folder / "state" / "alarm").unlink()
        assert "error: the log was forked: seen before: size " in str(old.over_socket(code=1)["said"])
    assert clean(body.verify())


def test_a_persons_history_is_proven(
    world: World,
    body: Body,
    daemon: Daemon,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The portal finds every conversion of the person and of nobody else, each in the log that oversight verified.

    The guide's own example runs as well.
    """
    codes = ["01234567890", "11111111111"]
    mine, others = daemon.numbers("resident", "sspin.B", codes, role="numbering")
    (common,) = daemon.numbers("resident", "common", codes[:1], role="numbering")
    expected = {one["record"] for one in daemon.records() if one["kind"] == "conversion"}
    for number in range(12):
        asked = {0: [mine], 1: [others], 2: [others, mine]}[number % 3]
        daemon.numbers("sspin.B", "sspin.E", asked)
        if mine in asked:
            expected.add(daemon.records()[-1]["record"])
    with Client(world.socket("portal")) as client:
        whole = client.history("common", common, reference="portal")
        pages = [client.history("common", common, reference="portal", limit=4)]
        while pages[-1].before is not None:
            pages.append(client.history("common", common, reference="portal", limit=4, before=pages[-1].before))
    covered(world, daemon.records()[-1]["record"])
    body.over_socket()
    body.export()
    result = body.verify()
    assert clean(result)
    assert result.trust is not None and result.checkpoint is not None
    log_keys = result.trust.keys(result.checkpoint.checkpoint.origin)
    assert verify_history(whole, log_keys).size == whole.size
    assert {one.record for one in whole.conversions} == expected
    assert [one for page in pages for one in page.conversions if verify_history(page, log_keys)]
    assert [one.record for page in pages for one in page.conversions] == [one.record for one in whole.conversions]
    entries = dict(Copy(body.copy).records(Copy(body.copy).head().size))
    assert all(entries[one.record] == one.entry for one in whole.conversions)
    monkeypatch.chdir(world.folder)
    (example,) = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    exec(example, {"number": common, "log_keys": [str(key) for key in log_keys]})
    assert len(capsys.readouterr().out.splitlines()) == len(expected)
    record = records.decode(whole.conversions[0].entry)
    lied = records.encode(replace(record, uid=7))  # type: ignore[call-arg]
    altered = dataclasses.replace(whole.conversions[0], entry=lied)
    with pytest.raises(HistoryUnproven, match="not in the log"):
        verify_history(dataclasses.replace(whole, conversions=(altered,)), log_keys)


def test_the_keys_of_the_world_are_private(world: World) -> None:
    assert (world.folder / "keys" / "ed25519.pem").stat().st_mode & 0o077 == 0
    assert Path(world.folder / "keys" / "vkeys").read_text().startswith(NAME)
