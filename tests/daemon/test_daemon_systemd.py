"""The daemon as a service of systemd: what it says, when it is alive, and the sockets that it is handed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from appliance import systemd
from appliance.configuration import Configuration, load
from appliance.daemon import handed
from appliance.daemon.heartbeat import Heartbeat
from appliance.daemon.selftest import Trial
from appliance.engine.envelope import Frame, Kind
from appliance.systemd import HandoverRefused
from appliance.tomlfile import ConfigurationError
from tests.daemonkit import Daemon, codes, edit_config, stopped, wait_for
from tests.servicekit import Activation, Manager
from tests.world import World

if TYPE_CHECKING:
    from appliance.daemon.service import Service


def under(world: World, manager: Manager) -> Daemon:
    world.more_env = {**world.more_env, **manager.environment}
    return Daemon(world)


# --- what it says ------------------------------------------------------------------------------


def test_from_ready_to_stopping(small: World) -> None:
    manager = Manager(small.folder, watchdog=3.0)
    with under(small, manager) as daemon:
        assert manager.heard[:2] == ["READY=1", "STATUS=converting with 1 engine, ledger 2"]
        assert small.socket("hub").is_socket() and daemon.ask("hub", "GET", "/readyz").status == 200
        environment = Path(f"/proc/{daemon.engines()[0]}/environ")
        if os.geteuid() == 0:
            assert not [word for word in (b"NOTIFY_SOCKET", b"WATCHDOG_USEC") if word in environment.read_bytes()]
        manager.wait_for("WATCHDOG=1", 2)
        daemon.signal(signal.SIGHUP)
        manager.wait_for("READY=1", 2)
        assert manager.heard.index("RELOADING=1") > manager.heard.index("READY=1")
        assert [word for word in manager.heard if word.startswith("MONOTONIC_USEC=")]
        before = daemon.records()
        assert daemon.stop() == 0
        assert manager.heard.index("STOPPING=1") > len(manager.heard) - 5
        assert "self-test" not in daemon.log
    assert {record["kind"] for record in before} == {"start", "ceremony", "ledger_loaded"}, "no self-test is recorded"


def test_nothing_is_said_and_nothing_tested_where_no_systemd_is(small: World) -> None:
    small.more_env = {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}
    with Daemon(small) as daemon:
        assert daemon.stop() == 0


def test_an_engine_that_hangs_in_a_conversion_gets_the_daemon_no_sign_of_life(small: World) -> None:
    edit_config(small, "\n[engine]\ndeadline_seconds = 60\n")
    manager = Manager(small.folder, watchdog=1.5)
    with under(small, manager) as daemon:
        manager.wait_for("WATCHDOG=1")
        with stopped(daemon.engines()[0]):
            time.sleep(1.0)
            before = manager.count("WATCHDOG=1")
            time.sleep(2.5)
            assert manager.count("WATCHDOG=1") == before, "systemd would start it anew by now"
            assert daemon.ask("hub", "GET", "/healthz").status == 200, (
                "a probe of the event loop would have noticed nothing"
            )
        manager.wait_for("WATCHDOG=1", before + 2)


def test_while_the_token_is_gone_it_is_alive_and_says_what_is_wrong(small: World) -> None:
    manager = Manager(small.folder, watchdog=1.5)
    with under(small, manager) as daemon:
        (small.folder / "tokens").rename(small.folder / "elsewhere")
        os.kill(daemon.engines()[0], signal.SIGKILL)
        wait_for(lambda: manager.status == "not converting: token_unavailable", 30)
        manager.wait_for("WATCHDOG=1", manager.count("WATCHDOG=1") + 3)
        (small.folder / "elsewhere").rename(small.folder / "tokens")
        wait_for(lambda: manager.status == "converting with 1 engine, ledger 2", 30)


SPOILT = """
import sys
if "appliance.engine" in sys.orig_argv:
    from appliance.engine import selftest
    right, served = selftest.run, []
    def run(state, converter):  # right with both converters before it serves, wrong whenever it is asked
        served.append(converter)
        if len(served) == 2:
            selftest.run = wrong
        right(state, converter)
    def wrong(state, converter):
        selftest._comes_back = lambda *arguments: False
        right(state, converter)
    selftest.run = run
"""


def test_a_self_test_that_fails_ends_the_engine_and_the_daemon_is_not_ready(small: World) -> None:
    site = small.folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(SPOILT, "utf-8")
    manager = Manager(small.folder, watchdog=1.5)
    small.more_env = {"PYTHONPATH": f"{site}{os.pathsep}{small.env['PYTHONPATH']}"}
    with under(small, manager).launch() as daemon:
        why = 'why="self-test: known numbers did not come back from spin.1"'
        wait_for(lambda: daemon.log.count("not ready yet") >= 2 and why in daemon.log, 60)
        assert manager.heard == []
        assert daemon.stop() == 0


class OneEngine:
    """A link whose engine passes or fails each self-test as it is told."""

    def __init__(self, passes: bool) -> None:
        self._passes = passes

    def send(self, trial: Trial) -> None:
        if self._passes:
            trial.settle(Frame(Kind.TESTED, 1, b""))
        else:
            trial.refused("engine_lost")


@pytest.mark.parametrize(
    ("rounds", "beats"),
    [
        ("pass pass", 2),
        ("pass fail", 1),
        ("none none none none", 4),
        ("fail none", 1),
        ("fail fail none", 1),
        ("fail none fail none fail none none", 2),
        ("fail fail fail none pass none", 2),
        ("mixed", 0),
    ],
)
def test_which_rounds_are_signs_of_life(tmp_path: Path, rounds: str, beats: int) -> None:
    engines = {"pass": [True], "fail": [False], "none": [], "mixed": [True, False, True]}
    told, manager = rounds.split(), Manager(tmp_path)
    supervisor = SimpleNamespace(serving=())
    state = SimpleNamespace(state=SimpleNamespace(sequence=7))
    service = SimpleNamespace(
        supervisor=supervisor, stopping=False, unready=None, in_force=state, measures=SimpleNamespace()
    )

    async def main() -> None:
        heart = Heartbeat(systemd.Manager(str(manager.path), 3.0), cast("Service", service))
        assert service.measures.self_test is heart.self_test
        for kind in told:
            supervisor.serving = [OneEngine(passes) for passes in engines[kind]]
            await heart.beat()

    asyncio.run(main())
    assert manager.count("WATCHDOG=1") == beats
    assert manager.count("STATUS=self-test not passed") == len(told) - beats


# --- what nobody may see, and who it should not be ---------------------------------------------------

TELLING = """
import atexit, ctypes, sys
atexit.register(lambda: print("dumpable:", ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), file=sys.stderr))
from appliance.cli import main
main()
"""


def test_nobody_reads_its_memory_and_root_is_warned(small: World) -> None:
    with Daemon(small, program=("-c", TELLING)) as daemon:
        core = next(line for line in Path(f"/proc/{daemon.pid}/limits").read_text().splitlines() if "core" in line)
        assert core.split()[4:6] == ["0", "0"]
        assert daemon.stop() == 0
        assert "dumpable: 0" in daemon.log
        assert ("WARNING running as root, which it never needs" in daemon.log) == (os.geteuid() == 0)


# --- sockets that it is handed ---------------------------------------------------------------------


def test_it_serves_on_the_sockets_of_systemd_and_leaves_their_files(small: World) -> None:
    (small.folder / "run").mkdir(exist_ok=True)
    listen = {role: small.socket(role) for role in ("hub", "numbering")}
    program = [sys.executable, "-m", "appliance.cli", "serve", "--config", str(small.config)]
    daemon = Daemon(small)
    with Activation(small, program, listen, "--fdname=hub:numbering") as activation:
        assert activation.process is not None
        inodes = {role: path.stat().st_ino for role, path in listen.items()}
        numbers = daemon.ask("numbering", "GET", "/readyz")  # the caller waits while the daemon starts
        assert numbers.status == 200
        in_a = daemon_numbers(daemon)
        assert len(in_a) == 3
        wait_for(lambda: "listening role=portal" in activation.log, 10)  # one that systemd does not know is made
        os.kill(activation.process.pid, signal.SIGTERM)  # it has become the daemon
        assert activation.process.wait(30) == 0
        assert {role: path.stat().st_ino for role, path in listen.items()} == inodes
        assert not small.socket("portal").exists()


def daemon_numbers(daemon: Daemon) -> list[str]:
    return daemon.numbers("resident", "sspin.A", codes(3), role="numbering")


@pytest.fixture
def config(small: World) -> Configuration:
    (small.folder / "run").mkdir(exist_ok=True)
    return load(small.config)


@contextlib.contextmanager
def listening(path: Path, kind: int = socket.SOCK_STREAM, mode: int = 0o660) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, kind) as listener:
        listener.bind(str(path))
        path.chmod(mode)
        if kind == socket.SOCK_STREAM:
            listener.listen()
        yield listener


def refusal(
    config: Configuration, given: dict[str, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> ConfigurationError:
    monkeypatch.setattr(systemd, "handed_over", lambda: given)
    with pytest.raises(ConfigurationError) as caught:
        handed.over(config)
    assert caught.value.hint and caught.value.exit_code == 3
    return caught.value


def test_the_right_one_is_taken(config: Configuration, monkeypatch: pytest.MonkeyPatch, small: World) -> None:
    with listening(small.socket("hub")) as listener:
        monkeypatch.setattr(systemd, "handed_over", lambda: {"hub": listener})
        assert handed.over(config) == {"hub": listener}
        assert not listener.getblocking()


@pytest.mark.parametrize("mode", [0o666, 0o662, 0o664, 0o661])
def test_one_that_others_can_use(
    config: Configuration, monkeypatch: pytest.MonkeyPatch, small: World, mode: int
) -> None:
    with listening(small.socket("hub"), mode=mode) as listener:
        error = refusal(config, {"hub": listener}, monkeypatch)
    assert error.message == f"socket of hub, from systemd: others than its group can use {small.socket('hub')}"
    assert error.hint == "set SocketMode=0660"


def test_one_of_no_role(config: Configuration, monkeypatch: pytest.MonkeyPatch, small: World) -> None:
    with listening(small.socket("hub")) as listener:
        error = refusal(config, {"hubs": listener}, monkeypatch)
    assert error.message == "systemd hands over a socket 'hubs'; the configuration has none of that role"


def test_one_at_another_place(config: Configuration, monkeypatch: pytest.MonkeyPatch, small: World) -> None:
    with listening(small.folder / "elsewhere") as listener:
        error = refusal(config, {"hub": listener}, monkeypatch)
    assert error.message.endswith(f"elsewhere'; the configuration says {small.socket('hub')}")


def test_a_datagram_socket_and_one_that_does_not_listen(
    config: Configuration, monkeypatch: pytest.MonkeyPatch, small: World
) -> None:
    with listening(small.socket("hub"), socket.SOCK_DGRAM) as listener:
        assert refusal(config, {"hub": listener}, monkeypatch).message.endswith("from systemd: no Unix stream socket")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert refusal(config, {"hub": ours}, monkeypatch).message.endswith("from systemd: it does not listen")


def test_one_whose_file_is_gone(config: Configuration, monkeypatch: pytest.MonkeyPatch, small: World) -> None:
    with listening(small.socket("hub")) as listener:
        small.socket("hub").unlink()
        error = refusal(config, {"hub": listener}, monkeypatch)
    assert error.message.endswith(f"{small.socket('hub')}: No such file or directory")


# --- the environment that systemd sets ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (
            {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "a"},
            "systemd hands over 2 sockets by the names 'a'; each needs a name",
        ),
        ({"LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:a"}, "by the names 'a:a'; each needs a name of its own"),
        ({"LISTEN_FDS": "2"}, "by the names '(none)'; each needs a name of its own"),
        ({"LISTEN_FDS": "999"}, "systemd hands over 999 sockets; at most 256 are taken"),
    ],
)
def test_a_handover_that_cannot_be_used(environment: dict[str, str], message: str) -> None:
    environment["LISTEN_PID"] = str(os.getpid())
    with pytest.raises(HandoverRefused) as caught:
        systemd.handed_over(environment)
    assert message in caught.value.message
    assert environment == {}


@pytest.mark.parametrize("environment", [{}, {"LISTEN_FDS": "1"}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"}])
def test_what_is_for_another_process_is_not_touched(environment: dict[str, str]) -> None:
    assert systemd.handed_over(environment) == {}
    assert environment == {}


def test_who_is_not_heard_raises_nothing(tmp_path: Path) -> None:
    systemd.Manager(str(tmp_path / "nobody")).ready("x")
    systemd.Manager().alive()


def test_a_status_is_one_short_line(tmp_path: Path) -> None:
    manager = Manager(tmp_path)
    systemd.Manager(str(manager.path)).ready("one\ntwo\tthree " + "x" * 9_999)
    ready, status = manager.heard
    assert ready == "READY=1"
    assert status.startswith("STATUS=one two three xxx") and len(status) == len("STATUS=") + 500


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_that_is_wanted(environment: dict[str, str], seconds: float | None) -> None:
    assert systemd.Manager.take(environment).watchdog == seconds
    assert environment == {}
