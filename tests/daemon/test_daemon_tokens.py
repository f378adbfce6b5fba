"""A daemon with clones: several tokens behind one daemon, and an appliance of its own on a clone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from appliance.engine import logmark, pinguard
from appliance.engine.envelope import Kind
from appliance.engine.link import Link
from appliance.ledger import chain, files, publickey, servicekeys
from appliance.ledger.policy import LogRules
from appliance.oversight import trust as trusts
from appliance.oversight.witness import keys as witnesskeys
from appliance.tlog import checkpoint as checkpoints
from appliance.tlog import note as notes
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.errors import TlogError
from keyceremony.plans import setup_file
from tests import enginekit
from tests.clonekit import CloneWorld, clone_world
from tests.daemonkit import Daemon, codes, copy_world, edit_config, wait_for
from tests.watchkit import log_file, signed_checkpoint
from tests.world import default_policy

PLAIN, BRANCH = "clone-1", "clone-2"  # the second one keeps a log of its own
WRONG = "99999999\n"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> CloneWorld:
    folder = tmp_path_factory.mktemp("clones")
    witness = witnesskeys.make(folder / "witness", "oversight.example/w", None)
    specs = setup_file.default_specs()
    policy = replace(default_policy(specs), log=LogRules(witnesses=tuple(map(str, witness.vkeys))))
    domains = ("common", "spin", "sspin.A", "sspin.B")
    world = clone_world(folder / "w", log_names=(None, "branch"), domains=specs, policy=policy, keys=domains)
    (folder / "witness").rename(world.folder / "witness")
    return world


@pytest.fixture
def world(template: CloneWorld, tmp_path: Path) -> CloneWorld:
    copied = copy_world(template, tmp_path / "w")
    assert isinstance(copied, CloneWorld)
    return copied


def add_clone(world: CloneWorld, label: str, more: str = "") -> None:
    edit_config(world, f'\n[[clone]]\nlabel = "{label}"\npin_file = "pins/{label}.pin"\n{more}')


def appliance_on(world: CloneWorld, label: str, log_name: str) -> CloneWorld:
    """The configuration of an appliance of its own on that token; state and audit log are empty yet."""
    text = world.config.read_text("utf-8")
    text = text.replace(
        'label = "kagimori-test"\npin_file = "pin"', f'label = "{label}"\npin_file = "pins/{label}.pin"'
    )
    text = text.replace('directory = "audit"\n', f'directory = "audit"\nname = "{log_name}"\n')
    world.config.write_text(text, "utf-8")
    return world


def status(daemon: Daemon) -> dict[str, Any]:
    return dict(daemon.ask("hub", "GET", "/v1/status").json)


def all_serve(daemon: Daemon) -> None:
    wait_for(lambda: all(one["serving"] == one["wanted"] for one in status(daemon)["tokens"]), 30)


def left_out(daemon: Daemon, label: str) -> dict[str, Any] | None:
    (found,) = (one["left_out"] for one in status(daemon)["tokens"] if one["label"] == label)
    return found


@pytest.mark.parametrize("processes", [1, 2])
def test_all_tokens_take_part_and_answer_alike(world: CloneWorld, processes: int) -> None:
    edit_config(world, f"\n[engine]\nprocesses = {processes}\n")
    add_clone(world, PLAIN)
    with Daemon(world) as daemon:
        all_serve(daemon)
        people = codes(5_000)
        in_a = daemon.numbers("resident", "sspin.A", people, role="numbering")
        expected = daemon.numbers("resident", "sspin.B", people, role="numbering")
        lines = "".join(number + "\n" for number in in_a).encode() * 20
        reply = daemon.stream("sspin.A", "sspin.B", lines)
        assert reply.body == "".join(number + "\n" for number in expected).encode() * 20
        said = status(daemon)
        assert said["engines"]["wanted"] == 2 * processes == len(said["engines"]["serving"])
        assert all(link["numbers"] > 0 for link in said["engines"]["serving"]), said
        assert {link["token"] for link in said["engines"]["serving"]} == {"kagimori-test", PLAIN}
        assert said["tokens"] == [
            {"label": label, "serial": serial, "wanted": processes, "serving": processes, "left_out": None}
            for label, serial in (
                ("kagimori-test", world.state().token_serial),
                (PLAIN, world.clones[0].serial),
            )
        ]
        signed_checkpoint(daemon, len(daemon.records()))
        assert daemon.stop() == 0, daemon.log


def test_a_clones_wrong_pin_is_tried_once_and_the_daemon_serves(world: CloneWorld) -> None:
    clone = world.clones[0]
    add_clone(world, PLAIN, "processes = 3\n")
    pin_file = world.folder / "pins" / f"{PLAIN}.pin"
    right = pin_file.read_text("ascii")
    pin_file.write_text(WRONG, "ascii")
    marker = pinguard.marker(world.state_directory, clone.serial)
    with Daemon(world) as daemon:
        wait_for(lambda: left_out(daemon, PLAIN))
        assert daemon.convert("sspin.A", "sspin.B", ["?"]).status == 200
        out = left_out(daemon, PLAIN)
        assert out is not None and (out["reason"], out["for_good"]) == ("pin", True)
        assert daemon.log.count("wrong PIN; it was tried once") == 1
        assert WRONG.strip() not in daemon.log
        assert marker.name == f"pin-refused-{clone.serial}" and marker.exists()
        assert daemon.stop() == 0
    with Daemon(world) as daemon:
        wait_for(lambda: left_out(daemon, PLAIN))
        assert "the token refused this PIN before; it was not tried again" in daemon.log
        assert "tried once" not in daemon.log
        pin_file.write_text(right, "ascii")
        daemon.signal(signal.SIGHUP)
        all_serve(daemon)
        assert left_out(daemon, PLAIN) is None
        assert f"token back token={PLAIN}" in daemon.log
        assert not marker.exists()


@pytest.mark.parametrize(
    ("label", "log_name", "said"),
    [
        (PLAIN, "main", "[token] label 'clone-1': a clone that was enrolled without a log name"),
        (BRANCH, "main", "[audit] name 'main': the log of the clone 'clone-2' is called 'branch'"),
        ("kagimori-test", "branch", "[audit] name 'branch': that is the log of a clone of this ledger"),
    ],
)
def test_an_appliance_whose_token_and_log_do_not_belong_together_does_not_start(
    world: CloneWorld, label: str, log_name: str, said: str
) -> None:
    appliance_on(world, label, log_name)
    with Daemon(world).launch() as daemon:
        assert daemon.wait() == 3, daemon.log
        assert f"error: {said}" in daemon.log
        assert "hint: " in daemon.log and "Traceback" not in daemon.log
        assert not (world.state_directory / logmark.FILE_NAME).exists(), "nothing was signed"


def test_a_clone_that_is_not_in_the_ledger_is_left_out(world: CloneWorld) -> None:
    edit_config(world, '\n[[clone]]\nlabel = "nobody"\npin_file = "pin"\n')
    with Daemon(world) as daemon:
        wait_for(lambda: left_out(daemon, "nobody"))
        out = left_out(daemon, "nobody")
        assert out is not None and (out["reason"], out["for_good"]) == ("configuration", True)
        assert "[[clone]] label 'nobody': the ledger has no clone of that label; it has: clone-1, clone-2" in daemon.log
        assert [one["serial"] for one in status(daemon)["tokens"]] == [world.state().token_serial, None]
        assert daemon.convert("sspin.A", "sspin.B", ["?"]).status == 200


def test_tables_that_change_places_under_a_running_daemon_are_noticed(world: CloneWorld) -> None:
    add_clone(world, PLAIN)
    add_clone(world, BRANCH)
    with Daemon(world) as daemon:
        all_serve(daemon)
        text = world.config.read_text("utf-8")
        world.config.write_text(text.replace(PLAIN, "@").replace(BRANCH, PLAIN).replace("@", BRANCH), "utf-8")
        (pid,) = (link["pid"] for link in status(daemon)["engines"]["serving"] if link["token"] == PLAIN)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: left_out(daemon, PLAIN))
        assert f"an engine for the token '{PLAIN}' came up on '{BRANCH}': the configuration has changed" in daemon.log
        assert daemon.convert("sspin.A", "sspin.B", ["?"]).status == 200


# --- an appliance of its own --------------------------------------------------------------------------


def oversight(world: CloneWorld, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "appliance.cli", "oversight", *map(str, words), "--anchor", world.anchor]
    return subprocess.run(command, env=world.env, capture_output=True, text=True, timeout=120, check=False)


def origin(world: CloneWorld, log_name: str) -> str:
    return f"kagimori/log/{world.anchor[:16]}/{log_name}"


SIGN = """
import sys
from pathlib import Path
from appliance.token.token import Token
module, serial, key_id, public, text = sys.argv[1:]
with Token.open(Path(module), label=None, serial=serial, pin=sys.stdin.read()) as token:
    sys.stdout.buffer.write(token.log_signer(bytes.fromhex(key_id), bytes.fromhex(public)).sign(text.encode()))
"""


def signed_by_main(world: CloneWorld, checkpoint: Checkpoint) -> bytes:
    """What somebody with the first appliance's token could make: its signature under another log's name."""
    state = world.state()
    record = servicekeys.current_log(state)
    assert record is not None
    words = [str(world.module), state.token_serial, record.key_id.hex(), record.public_key.hex(), checkpoint.text]
    command = [sys.executable, "-c", SIGN, *words]
    made = subprocess.run(command, env=world.env, input=world.pin.encode(), capture_output=True, check=True, timeout=60)
    key = checkpoints.key(checkpoint.origin, publickey.raw_of(record.public_key))
    return notes.render(checkpoints.sign(checkpoint, lambda _: made.stdout, key))


def test_an_appliance_on_a_clone_keeps_a_log_that_oversight_believes(world: CloneWorld) -> None:
    appliance_on(world, BRANCH, "branch")
    add_clone(world, PLAIN)
    state = world.state()
    with Daemon(world) as daemon:
        all_serve(daemon)
        people = codes(50)
        in_a = daemon.numbers("resident", "sspin.A", people, role="numbering")
        in_b = daemon.numbers("sspin.A", "sspin.B", in_a)
        assert in_b == daemon.numbers("resident", "sspin.B", people, role="numbering")
        assert status(daemon)["token"] == {"label": BRANCH, "serial": world.clones[1].serial}
        least = len(daemon.records())
        wait_for(lambda: status(daemon)["audit"]["signed"] >= least)
        signed = log_file(daemon, "checkpoint")
        (raw,) = servicekeys.log_keys(state, "branch").values()
        assert raw == publickey.raw_of(state.clones[world.clones[1].serial].log_public_key)
        key = checkpoints.key(origin(world, "branch"), raw)
        checkpoint = checkpoints.verify(signed, [key], origin(world, "branch")).checkpoint
        watch = ("witness", "--keys", world.folder / "witness", "--state", world.folder, "--begin")
        witnessed = oversight(world, *watch, "--socket", world.socket("oversight"))
        assert witnessed.returncode == 0, witnessed.stderr
        assert status(daemon)["audit"]["cosigned"] >= least
        exported = oversight(world, "export", "--socket", world.socket("oversight"), world.folder / "copy")
        assert exported.returncode == 0, exported.stderr
        assert daemon.stop() == 0
    vkeys = world.folder / "witness" / "vkeys"
    verified = oversight(world, "verify", world.folder / "copy", "--json", "--witness", vkeys)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert json.loads(verified.stdout)["log_keys"] == [str(key)]
    forged = signed_by_main(world, checkpoint)
    (world.folder / "copy" / "checkpoint").write_bytes(forged)
    refused = oversight(world, "verify", world.folder / "copy")
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert "not signed" in refused.stdout + refused.stderr
    (world.audit_directory / "checkpoint").write_bytes(forged)
    with Daemon(world).launch() as daemon:
        assert daemon.wait() == 3, daemon.log
        assert "checkpoint: " in daemon.log and "not signed" in daemon.log


def test_whom_oversight_believes_of_each_log(world: CloneWorld) -> None:
    trust = trusts.Trust(chain.verify_entries(files.read(world.ledger), world.anchor))
    main, branch = (set(trust.keys(origin(world, name))) for name in ("main", "branch"))
    assert len(main) == len(branch) == 1
    assert {key.public for key in main}.isdisjoint(key.public for key in branch)
    checkpoint = Checkpoint(origin(world, "branch"), 1, bytes(32))
    with pytest.raises(TlogError):
        trusts.verify(signed_by_main(world, checkpoint), trust)
    ours = Checkpoint(origin(world, "main"), 1, bytes(32))
    assert trusts.verify(signed_by_main(world, ours), trust).checkpoint == ours


# --- what a clone's engine does by itself ------------------------------------------------------------


def test_an_engine_on_a_clone_never_signs_whatever_the_daemon_asks(
    world: CloneWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOFTHSM2_CONF", world.env["SOFTHSM2_CONF"])
    add_clone(world, BRANCH)

    async def main() -> None:
        engine = await Link.start(world.config, 5.0, lambda: None, lambda link, work: None, token=1)
        try:
            assert not engine.signs
            facts = {fact.generation: fact.usable for fact in engine.hello.generations}
            assert facts["sspin.A.1"] and facts["tag.1"] and not facts["log.1"]
            assert engine.hello.token.serial == world.clones[1].serial
            text = Checkpoint(origin(world, "main"), 1, bytes(32)).text
            pack = enginekit.singles.pack_sign
            engine.send(enginekit.Question(Kind.SIGN, lambda request: pack(request, text), lambda frame: frame))
            assert await engine.wait_end() == "frame SIGN: this token does not have the log's key"
        finally:
            engine.kill("the test is over")
            await engine.wait_end()

    asyncio.run(main())
    assert logmark.read(world.state_directory) is None, "the mark did not move"
