"""Engines that die or hang under load, and what other processes can see.

Every client must get the right number or a clear refusal, none a wrong number, and service must be back soon.
"""

from __future__ import annotations

import io
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from crowd import Crowd

from appliance.hubkit.client import Client
from tests.daemonkit import READABLE, Daemon, alive, codes, copy_world, edit_config, stopped, wait_for
from tests.world import World, build_world


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build_world(tmp_path_factory.mktemp("faults") / "w", keys=("spin", "sspin.A", "sspin.B"))


@pytest.fixture
def world(template: World, tmp_path: Path) -> World:
    return copy_world(template, tmp_path / "w")


def kinds_after(daemon: Daemon, before: int) -> list[str]:
    return [record["kind"] for record in daemon.records()[before:] if record["kind"] != "conversion"]


def test_an_engine_killed_under_32_clients_gives_no_wrong_answer_and_is_back_in_two_seconds(world: World) -> None:
    with Daemon(world) as daemon:
        before = len(daemon.records())
        with Crowd(daemon) as crowd:
            (engine,) = daemon.engines()
            moment = time.monotonic()
            os.kill(engine, signal.SIGKILL)
            gap = crowd.back_after(moment)
        assert set(crowd.outcomes) <= {"right", "503 engine_lost", "503 token_unavailable"}, crowd.outcomes
        assert gap < 2.0
        assert kinds_after(daemon, before) == ["engine_lost", "engine_regained"]
        assert daemon.engines() != [engine]
        assert 'why="died of SIGKILL"' in daemon.log


def test_several_kills_in_a_row(world: World) -> None:
    with Daemon(world) as daemon:
        with Crowd(daemon) as crowd:
            for _ in range(3):
                wait_for(lambda: daemon.ask("hub", "GET", "/readyz").status == 200, 15)
                os.kill(daemon.engines()[0], signal.SIGKILL)
                crowd.back_after(time.monotonic())
        assert set(crowd.outcomes) <= {"right", "503 engine_lost", "503 token_unavailable"}, crowd.outcomes
        assert daemon.stop() == 0


def test_with_two_engines_one_may_die_and_nobody_notices(world: World) -> None:
    edit_config(world, "\n[engine]\nprocesses = 2\n")
    with Daemon(world) as daemon:
        wait_for(lambda: len(daemon.ask("hub", "GET", "/v1/status").json["engines"]["serving"]) == 2)
        with Crowd(daemon) as crowd:
            moment = time.monotonic()
            os.kill(daemon.engines()[0], signal.SIGKILL)
            gap = crowd.back_after(moment)
        assert set(crowd.outcomes) == {"right"}, crowd.outcomes
        assert gap < 0.5
        wait_for(lambda: len(daemon.ask("hub", "GET", "/v1/status").json["engines"]["serving"]) == 2)


def test_a_hung_engine_is_killed_at_its_deadline(world: World) -> None:
    edit_config(world, "\n[engine]\ndeadline_seconds = 1.0\n")
    with Daemon(world) as daemon:
        with Crowd(daemon) as crowd:
            (engine,) = daemon.engines()
            moment = time.monotonic()
            os.kill(engine, signal.SIGSTOP)
            wait_for(lambda: not alive(engine))
            assert 0.9 < time.monotonic() - moment < 2.5
            crowd.back_after(moment)
        assert set(crowd.outcomes) <= {"right", "503 engine_lost", "503 token_unavailable"}, crowd.outcomes
        assert 'why="gave no answer for 1 s"' in daemon.log


def test_an_engine_that_only_pauses_is_waited_for(world: World) -> None:
    with Daemon(world) as daemon:
        (engine,) = daemon.engines()
        with Crowd(daemon, 4) as crowd:
            with stopped(engine):
                time.sleep(0.5)
            crowd.back_after(time.monotonic())
        assert set(crowd.outcomes) == {"right"}
        assert daemon.engines() == [engine]


def test_a_stream_survives_the_death_of_its_engine(world: World) -> None:
    with Daemon(world) as daemon:
        people = codes(10_000)
        in_a = daemon.numbers("resident", "sspin.A", people, role="numbering")
        in_b = daemon.numbers("resident", "sspin.B", people, role="numbering")
        lines, expected = ("".join(number + "\n" for number in side).encode() * 100 for side in (in_a, in_b))
        (engine,) = daemon.engines()
        answer = b""
        with Client(world.socket("hub")) as client:
            terms = {"purpose": "exchange", "reference": "a test"}
            with client.convert_stream("sspin.A", "sspin.B", io.BytesIO(lines), **terms) as stream:
                for block in stream.blocks():
                    if not answer:
                        os.kill(engine, signal.SIGKILL)
                    answer += block
        assert answer == expected
        wait_for(lambda: "engine_regained" in [record["kind"] for record in daemon.records()])


def test_a_pin_that_became_wrong_ends_the_daemon_after_one_attempt(world: World) -> None:
    edit_config(world, "\n[engine]\nprocesses = 2\n")
    with Daemon(world) as daemon:
        wait_for(lambda: len(daemon.engines()) == 2)
        world.pin_file.write_text("99999999\n", "ascii")
        for engine in daemon.engines():
            os.kill(engine, signal.SIGKILL)
        assert daemon.wait() == 5
        assert "wrong PIN; it was tried once" in daemon.log
        assert daemon.log.count("cannot go on") == 1
        assert daemon.records()[-1]["reason"] == "pin"


def test_a_ledger_that_became_wrong_ends_the_daemon_at_the_next_start_of_an_engine(world: World) -> None:
    with Daemon(world) as daemon:
        (world.ledger / "000002.outcome.cms").unlink()
        os.kill(daemon.engines()[0], signal.SIGKILL)
        assert daemon.wait() == 4
        assert "error: 000002.outcome.cms: is missing" in daemon.log


def test_when_the_daemon_is_killed_its_engines_die_even_while_they_hang(world: World) -> None:
    with Daemon(world) as daemon:
        (engine,) = daemon.engines()
        with stopped(engine):
            daemon.signal(signal.SIGKILL)
            daemon.wait()
            wait_for(lambda: not alive(engine))


# --- what other processes can see ------------------------------------------------------------------


@pytest.fixture(scope="module")
def calm(template: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(copy_world(template, tmp_path_factory.mktemp("calm") / "w"), program=READABLE) as daemon:
        daemon.numbers("resident", "sspin.A", codes(5), role="numbering")
        yield daemon


def test_the_daemon_never_loads_the_token_module(calm: Daemon) -> None:
    maps = Path(f"/proc/{calm.pid}/maps").read_text("utf-8")
    assert "python" in maps
    assert "softhsm" not in maps.lower()
    assert "pkcs11" not in maps.lower()


def test_the_engine_does(calm: Daemon) -> None:
    """Else the test above would show nothing. Only root may look into an engine."""
    path = Path(f"/proc/{calm.engines()[0]}/maps")
    if os.geteuid() == 0:
        maps = path.read_text("utf-8")
        assert "libsofthsm" in maps and "pkcs11" in maps
    else:
        with pytest.raises(PermissionError):
            path.read_text("utf-8")


def test_the_pin_is_in_no_command_line_and_no_environment(calm: Daemon) -> None:
    pin = calm.world.pin.encode()
    assert Path(calm.world.pin_file).read_bytes().strip() == pin
    for pid in (calm.pid, *calm.engines()):
        assert pin not in Path(f"/proc/{pid}/cmdline").read_bytes()
        environment = Path(f"/proc/{pid}/environ")
        if pid == calm.pid or os.geteuid() == 0:
            assert pin not in environment.read_bytes()
        else:
            with pytest.raises(PermissionError):
                environment.read_bytes()
    assert pin.decode() not in calm.log


def test_an_engine_cannot_be_read_or_dumped_by_its_own_user(calm: Daemon) -> None:
    engine = calm.engines()[0]
    assert Path(f"/proc/{engine}/mem").stat().st_uid == 0, "not dumpable: its /proc files are root's"
    limits = Path(f"/proc/{engine}/limits").read_text("ascii") if os.geteuid() == 0 else None
    if limits is not None:
        (core,) = (line.split() for line in limits.splitlines() if line.startswith("Max core file size"))
        assert core[4:6] == ["0", "0"]


def test_neither_log_nor_audit_holds_a_number(calm: Daemon) -> None:
    people = codes(20)
    numbers = calm.numbers("resident", "sspin.A", people, role="numbering")
    calm.stream("sspin.A", "sspin.B", "".join(number + "\n" for number in numbers).encode())
    written = calm.log + json.dumps(calm.records())
    written += "".join(path.read_text("utf-8") for path in calm.world.state_directory.iterdir())
    assert not [number for number in (*people, *numbers) if number in written]
