"""Engines that systemd starts: behind a real socket of systemd-socket-activate, for the daemon's user alone."""

from __future__ import annotations

import asyncio
import getpass
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from enginekit import Question, lines

from appliance.engine import starting
from appliance.engine.envelope import Kind, pack
from appliance.engine.frames import payload_of
from appliance.engine.link import EngineFailed, Link
from tests.daemonkit import Daemon, alive, codes, wait_for
from tests.servicekit import Manager, engine_command, engines_of_systemd, served_by_systemd
from tests.shimkit import shimmed
from tests.world import World

ME = getpass.getuser()
OTHER = next(name for name in ("nobody", "daemon") if name != ME)


def engines(daemon: Daemon) -> list[int]:
    return [engine["pid"] for engine in daemon.ask("hub", "GET", "/v1/status").json["engines"]["serving"]]


async def link_to(world: World, path: Path) -> Link:
    return await Link.start(world.config, 5.0, lambda: None, lambda link, work: None, 0, path)


def why_not(world: World, path: Path) -> EngineFailed:
    async def main() -> EngineFailed:
        with pytest.raises(EngineFailed) as caught:
            await link_to(world, path)
        return caught.value

    return asyncio.run(main())


def test_a_daemon_converts_through_engines_that_systemd_started(small: World) -> None:
    with served_by_systemd(small, ME) as systemd, Daemon(small) as daemon:
        assert daemon.engines() == [], "the daemon started none"
        people = codes(3)
        in_a = daemon.numbers("resident", "sspin.A", people, role="numbering")
        in_b = daemon.numbers("resident", "sspin.B", people, role="numbering")
        assert daemon.numbers("sspin.A", "sspin.B", in_a) == in_b
        (engine,) = engines(daemon)
        os.kill(engine, signal.SIGKILL)
        wait_for(lambda: len(now := engines(daemon)) == 1 and now != [engine], 60)
        assert 'why="closed its connection; the journal of its unit says why"' in daemon.log
        assert daemon.numbers("resident", "sspin.A", people, role="numbering") == in_a
        (engine,) = engines(daemon)
        assert daemon.stop() == 0
        wait_for(lambda: not alive(engine))
        assert small.pin not in daemon.log + systemd.log


def test_another_user_than_the_daemons_is_not_served_and_the_pin_is_not_touched(small: World) -> None:
    with served_by_systemd(small, OTHER) as systemd, Daemon(small).launch() as daemon:
        assert daemon.wait() == 3
        assert "error: the engine does not serve this user\n" in daemon.log
        assert "hint: [engine] daemon_user names the one that it serves\n" in daemon.log
        assert f"kagimori engine: refused the user {os.geteuid()}; only {OTHER} is served" in systemd.log
    assert not list(small.state_directory.glob("pin-*"))


def test_a_daemon_user_who_is_not_there(small: World) -> None:
    with served_by_systemd(small, "no-such-user"):
        failure = why_not(small, small.folder / "engine.sock").failure
    assert (failure.reason, failure.exit_code) == ("configuration", 3)
    assert failure.message == "[engine] daemon_user: there is no user 'no-such-user'"


def test_where_nobody_listens_it_is_as_if_the_token_were_gone(small: World) -> None:
    path = engines_of_systemd(small, ME)
    failure = why_not(small, path).failure
    assert (failure.reason, failure.message) == ("token", f"engine socket {path}: No such file or directory")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    failure = why_not(small, path).failure
    assert (failure.reason, failure.message) == ("token", f"engine socket {path}: Connection refused")
    assert failure.hint is not None and "systemctl status kagimori-engine.socket" in failure.hint


def test_somebody_else_who_listens_there_gets_no_frame(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    path = engines_of_systemd(small, ME)
    monkeypatch.setattr(starting, "ROOT", 4_000_000)
    monkeypatch.setattr("os.geteuid", lambda: 4_000_001)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        failure = why_not(small, path).failure
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(16) == b""
    assert failure.reason == "configuration"
    assert failure.message == f"engine socket {path}: the user {os.getuid()} listens there; systemd would do so as root"


def test_an_engine_started_by_hand_says_so(small: World) -> None:
    done = subprocess.run(engine_command(small), env=small.env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert done.stderr.endswith(
        "error: the engine was handed 0 sockets; it needs one connection on a Unix socket\n"
        "hint: the socket unit has Accept=yes; an engine is never started by hand\n"
    )


def test_it_tells_systemd_that_it_serves_and_that_it_is_alive_until_a_call_hangs(small: World) -> None:
    shim = shimmed(small)
    manager = Manager(small.folder, watchdog=2.0)

    async def main(path: Path) -> None:
        engine = await link_to(small, path)
        assert await lines(engine, "resident", "sspin.A", ["01234567890"])
        await asyncio.to_thread(manager.wait_for, "WATCHDOG=1", 2)
        self_test = Question(
            Kind.SELF_TEST, lambda request: pack(Kind.SELF_TEST, request), lambda frame: payload_of(frame, Kind.TESTED)
        )
        engine.send(self_test)
        assert await self_test.outcome == b""
        shim.do("C_EncryptUpdate hang")
        engine.send(Question(Kind.SELF_TEST, self_test.pack, lambda frame: frame))
        await asyncio.sleep(1.0)
        beats = manager.count("WATCHDOG=1")
        await asyncio.sleep(3.0)
        assert manager.count("WATCHDOG=1") == beats, "systemd would end it now"
        pid = engine.hello.pid
        engine.kill("the test is over")
        assert await engine.wait_end() == "the test is over"
        assert alive(pid), "its process is systemd's"
        os.kill(pid, signal.SIGKILL)

    with served_by_systemd(small, ME, manager):
        asyncio.run(main(small.folder / "engine.sock"))
    assert "STATUS=serves kagimori-test, ledger entry 2" in manager.heard
    assert manager.count("READY=1") == 1


def test_sigterm_ends_one_that_systemd_stops(small: World) -> None:
    async def main(path: Path) -> None:
        engine = await link_to(small, path)
        os.kill(engine.hello.pid, signal.SIGTERM)
        assert await engine.wait_end() == "closed its connection; the journal of its unit says why"

    with served_by_systemd(small, ME):
        asyncio.run(main(small.folder / "engine.sock"))
