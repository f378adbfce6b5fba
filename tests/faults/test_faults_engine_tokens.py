"""Several real tokens under load: engines of one are killed, a token disappears, and nobody gets a wrong number."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from crowd import Crowd

from tests.clonekit import CloneWorld, clone_world
from tests.daemonkit import Daemon, codes, copy_world, edit_config, kinds, wait_for
from tests.watchkit import history, signed_checkpoint

OWN, CLONE = "kagimori-test", "clone-1"
FAST = """
from appliance.engine import supervisor
supervisor.DOWN_SECONDS = 0.3
from appliance.cli import main
main()
"""
DESTROY = """
import sys
from pathlib import Path
from appliance.token.token import Token
module, serial, key_id = sys.argv[1:]
with Token.open(Path(module), label=None, serial=serial, pin=sys.stdin.read(), writable=True) as token:
    token.destroy(bytes.fromhex(key_id))
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> CloneWorld:
    folder = tmp_path_factory.mktemp("tokens") / "w"
    world = clone_world(folder, 1, keys=("common", "spin", "sspin.A", "sspin.B"))
    edit_config(world, f'\n[[clone]]\nlabel = "{CLONE}"\npin_file = "pins/{CLONE}.pin"\n')
    return world


@pytest.fixture
def world(template: CloneWorld, tmp_path: Path) -> CloneWorld:
    copied = copy_world(template, tmp_path / "w")
    assert isinstance(copied, CloneWorld)
    return copied


def status(daemon: Daemon) -> dict[str, Any]:
    return dict(daemon.ask("hub", "GET", "/v1/status").json)


def token(daemon: Daemon, label: str) -> dict[str, Any]:
    (found,) = (one for one in status(daemon)["tokens"] if one["label"] == label)
    return dict(found)


def engines_on(daemon: Daemon, label: str) -> list[int]:
    return [link["pid"] for link in status(daemon)["engines"]["serving"] if link["token"] == label]


def all_serve(daemon: Daemon) -> None:
    wait_for(lambda: all(one["serving"] == one["wanted"] for one in status(daemon)["tokens"]), 30)


def kill(pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


class Pulled:
    """A token that is not there for a while."""

    def __init__(self, world: CloneWorld, serial: str) -> None:
        tokens = world.folder / "tokens"
        (self._place,) = (path for path in tokens.iterdir() if path.name.replace("-", "").endswith(serial))
        self._away = world.folder / "elsewhere"

    def __enter__(self) -> None:
        self._place.rename(self._away)

    def __exit__(self, *_: object) -> None:
        self._away.rename(self._place)


def test_engines_of_one_token_killed_again_and_again_are_missed_by_nobody(world: CloneWorld) -> None:
    edit_config(world, "processes = 2\n\n[engine]\nprocesses = 2\n")  # of the clone, then of the other
    with Daemon(world) as daemon:
        all_serve(daemon)
        before = len(daemon.records())
        with Crowd(daemon, 8) as crowd:
            for _ in range(4):
                victims = engines_on(daemon, CLONE)
                kill(victims)
                crowd.back_after(time.monotonic())
        assert set(crowd.outcomes) == {"right"}, crowd.outcomes
        all_serve(daemon)
        assert token(daemon, CLONE)["left_out"] is None
        assert set(kinds(daemon)[before:]) == {"conversion", "engine_lost", "engine_regained"}
        converted = [record for record in daemon.records()[before:] if record["kind"] == "conversion"]
        assert sum(record["converted"] for record in converted) == crowd.outcomes["right"] + 400, "each recorded once"
        assert daemon.stop() == 0


def test_a_clone_that_disappears_is_left_out_and_comes_back(world: CloneWorld) -> None:
    with Daemon(world) as daemon:
        all_serve(daemon)
        with Crowd(daemon, 8) as crowd:
            with Pulled(world, world.clones[0].serial):
                kill(engines_on(daemon, CLONE))
                wait_for(lambda: token(daemon, CLONE)["left_out"])
                out = token(daemon, CLONE)
                assert (out["serving"], out["wanted"]) == (0, 1)
                assert (out["left_out"]["reason"], out["left_out"]["for_good"]) == ("token", False)
                assert status(daemon)["ready"] is True
                crowd.back_after(time.monotonic())
            wait_for(lambda: token(daemon, CLONE)["left_out"] is None, 30)
            wait_for(lambda: token(daemon, CLONE)["serving"] == 1)
        assert set(crowd.outcomes) == {"right"}, crowd.outcomes
        assert daemon.log.count("token left out") == daemon.log.count("token back") == 1
        said = next(line for line in daemon.log.splitlines() if "token left out" in line)
        assert f"token={CLONE} reason=token" in said
        assert f"no token has label '{CLONE}'" in said and 'until="it serves again"' in said


def test_the_appliances_own_token_may_drop_while_a_clone_serves(world: CloneWorld) -> None:
    """Numbers go on; signatures are waited for, then refused; and when it is back, all that was done is signed."""
    with Daemon(world, program=("-c", FAST)) as daemon:
        all_serve(daemon)
        people = codes(3)
        in_a = daemon.numbers("resident", "sspin.A", people, role="numbering")
        common = daemon.numbers("resident", "common", people[:1], role="numbering")[0]
        signed, _ = signed_checkpoint(daemon, len(daemon.records()))
        with Pulled(world, world.state().token_serial):
            kill(engines_on(daemon, OWN))
            wait_for(lambda: token(daemon, OWN)["left_out"])
            in_b = daemon.numbers("sspin.A", "sspin.B", in_a)
            assert history(daemon, "common", common).code == "token_unavailable", "a proof needs a signature"
            assert status(daemon)["audit"]["signed"] == signed.size
        wait_for(lambda: token(daemon, OWN)["serving"] == 1, 30)
        assert daemon.numbers("sspin.A", "sspin.B", in_a) == in_b
        assert signed_checkpoint(daemon, len(daemon.records()))[0].size > signed.size
        assert history(daemon, "common", common).status == 200
        assert daemon.stop() == 0
        assert daemon.records()[-1]["kind"] == "stop"


def test_an_emergency_stop_needs_no_particular_token(world: CloneWorld) -> None:
    with Daemon(world) as daemon:
        all_serve(daemon)
        world.ceremony(["suspend sspin.A.1"])
        with Pulled(world, world.state().token_serial):
            kill(engines_on(daemon, OWN))
            wait_for(lambda: token(daemon, OWN)["left_out"])
            daemon.signal(signal.SIGHUP)
            wait_for(lambda: "ledger loaded sequence=5" in daemon.log, 30)
            assert daemon.convert("sspin.A.1", "sspin.B", ["?"]).code == "generation_unusable"
        all_serve(daemon)


def test_when_both_tokens_are_gone_everything_is_refused_until_one_is_back(world: CloneWorld) -> None:
    with Daemon(world) as daemon:
        all_serve(daemon)
        (world.folder / "tokens").rename(world.folder / "nowhere")
        (world.folder / "tokens").mkdir()
        kill(daemon.engines())
        wait_for(lambda: all(one["left_out"] for one in status(daemon)["tokens"]), 30)
        assert daemon.convert("sspin.A", "sspin.B", ["?"]).code == "token_unavailable"
        assert daemon.ask("hub", "GET", "/readyz").json["reason"] == "token_unavailable"
        (world.folder / "tokens").rmdir()
        (world.folder / "nowhere").rename(world.folder / "tokens")
        all_serve(daemon)
        assert daemon.convert("sspin.A", "sspin.B", ["?"]).status == 200


def test_a_key_that_is_not_on_the_clone_leaves_it_out_for_good(world: CloneWorld) -> None:
    """A clone that lost a key must not answer for it."""
    state = world.state()
    key_id = state.keys[state.current["sspin.B"]].key_id
    destroy = [sys.executable, "-c", DESTROY, str(world.module), world.clones[0].serial, key_id.hex()]
    subprocess.run(destroy, env=world.env, input=world.pin, text=True, check=True, timeout=60)
    with Daemon(world) as daemon:
        wait_for(lambda: token(daemon, CLONE)["left_out"])
        left_out = token(daemon, CLONE)["left_out"]
        assert (left_out["reason"], left_out["for_good"]) == ("keys", True)
        assert key_id.hex() in daemon.log and 'until="the next reload"' in daemon.log
        assert daemon.convert("sspin.A", "sspin.B", ["?"]).status == 200
