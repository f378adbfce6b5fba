"""The fault table, an engine that starts: it serves with every key checked, or not at all, and says why."""

from __future__ import annotations

import re

import cellkit
import pytest

from appliance.engine import link
from tests.daemonkit import Daemon
from tests.enginekit import refused_start
from tests.faults.faultwords import Cell, said_of
from tests.shimkit import Shim, shimmed
from tests.world import World, build_world

NO_START = re.compile(r"no start (\d+)")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build_world(tmp_path_factory.mktemp("start") / "w", keys=cellkit.DOMAINS)


@pytest.fixture(scope="module")
def shim(world: World) -> Shim:
    return shimmed(world)


@pytest.fixture(autouse=True)
def _no_memory(world: World, shim: Shim) -> None:
    """What an earlier cell did to the PIN is forgotten."""
    shim.clear()
    for path in world.state_directory.glob("pin-*"):
        path.unlink()


@cellkit.cells("start")
def test_a_fault_in_the_start_of_an_engine(
    world: World, shim: Shim, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "START_SECONDS", 4.0 if "hangs" in cell.fault else 60.0)
    for name, value in shim.variables.items():
        monkeypatch.setenv(name, value)
    shim.do(*cell.commands)
    failure = refused_start(world, monkeypatch)
    assert f"no start {failure.exit_code}" == cell.expected, failure
    assert cell.says in failure.message
    assert all(shim.fired().values()), shim.met()


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        ("C_Initialize fail CKR_GENERAL_ERROR", 5, "cannot be used (CKR_GENERAL_ERROR)"),
        ("C_Initialize crash", 70, "died of SIGSEGV"),
        ("C_Login fail CKR_PIN_INCORRECT", 5, "wrong PIN; it was tried once"),
        ("C_FindObjectsInit fail CKR_DEVICE_ERROR", 5, said_of("CKR_DEVICE_ERROR")),
        ("C_EncryptInit swap sspin.C.1 key=sspin.B.1", 5, "this is another key"),
    ],
)
def test_a_daemon_whose_first_engine_does_not_serve_does_not_start(
    world: World, shim: Shim, command: str, code: int, says: str
) -> None:
    shim.do(command)
    daemon = Daemon(world).launch()
    assert daemon.wait(60) == code
    last = [line for line in daemon.log.splitlines() if line.startswith(("error: ", "hint: "))]
    assert says in last[0]
    assert "Traceback" not in daemon.log
    assert sum(shim.fired().values()) == 1, "one attempt"


def test_the_same_engine_serves_when_nothing_is_wrong(world: World, shim: Shim) -> None:
    with Daemon(world) as daemon:
        assert daemon.ask("hub", "GET", "/readyz").status == 200
