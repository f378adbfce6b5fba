"""A PIN is in nothing that is written, whatever fails with it in hand: logs, state, tracebacks, core dumps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance import hardening
from tests.daemonkit import Daemon, copy_world
from tests.shimkit import shimmed
from tests.world import World, build_world

MARK = "PIN-marked-7f3a9c"

THROWING = """
import sys
if any(name in sys.orig_argv for name in ("appliance.engine", "keyceremony.cli")):
    import getpass
    from appliance.token import token
    def broken(*arguments, **named):
        pin = named["pin"]
        raise ValueError(f"cannot log in with {pin}", arguments, named)
    token.Token.open = broken
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build_world(tmp_path_factory.mktemp("secrets") / "w", keys=("spin",))


@pytest.fixture
def world(template: World, tmp_path: Path) -> World:
    """Its processes show what they can when they crash."""
    world = copy_world(template, tmp_path / "w")
    world.more_env = {"PYTHONFAULTHANDLER": "1"}
    return world


def found_in(world: World, *pins: str) -> list[str]:
    """Files that hold one of the PINs; the PIN's own file and the token's are left out."""
    needles = [pin.encode(form) for pin in pins for form in ("utf-8", "utf-16-le", "utf-32-le")]
    files = [path for path in world.folder.rglob("*") if path.is_file() and path != world.pin_file]
    files = [path for path in files if world.folder / "tokens" not in path.parents]
    assert world.folder / "daemon.log" in files or world.folder / "told" in files
    return [str(path) for path in files if any(needle in path.read_bytes() for needle in needles)]


def wrong_pin(world: World) -> str:
    world.pin_file.write_text(f"{MARK}\n", "ascii")
    return "wrong PIN; it was tried once"


def two_lines(world: World) -> str:
    world.pin_file.write_text(f"{MARK}\n{MARK}\n", "ascii")
    return "must hold the PIN on one line and nothing else"


def a_defect_that_quotes_it(world: World) -> str:
    site = world.folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(THROWING, "utf-8")
    world.more_env["PYTHONPATH"] = f"{site}{os.pathsep}{world.env['PYTHONPATH']}"
    world.pin_file.write_text(f"{MARK}\n", "ascii")
    return "ValueError"


def by_the_shim(*commands: str, says: str) -> Callable[[World], str]:
    def fail(world: World) -> str:
        shimmed(world).do(*commands)
        return says

    return fail


STEPS: dict[str, Callable[[World], str]] = {
    "wrong": wrong_pin,
    "two lines": two_lines,
    "a defect that quotes it": a_defect_that_quotes_it,
    "the login fails": by_the_shim("C_Login fail CKR_GENERAL_ERROR", says="error: "),
    "after the login": by_the_shim("C_FindObjectsInit fail CKR_FUNCTION_FAILED", says="error: "),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_start_that_fails_tells_no_pin(world: World, step: str) -> None:
    says = STEPS[step](world)
    with Daemon(world).launch() as daemon:
        assert daemon.wait(60) != 0
        assert says in daemon.log
        assert "Traceback" not in daemon.log, daemon.log
    assert found_in(world, MARK, world.pin) == []


def test_a_crash_in_the_login_tells_no_pin_and_leaves_no_core(world: World) -> None:
    """The module dies with the PIN in hand; Python's fault handler tells where, and never what."""
    shimmed(world).do("C_Login crash")
    with Daemon(world).launch() as daemon:
        assert daemon.wait(120) != 0
        assert "Fatal Python error: Segmentation fault" in daemon.log
        assert "died of SIGSEGV" in daemon.log
    assert not [path for path in world.folder.rglob("core*") if path.is_file()]
    assert found_in(world, world.pin) == []


@pytest.mark.parametrize("step", ["wrong", "a defect that quotes it", "the login fails"])
def test_nor_does_a_ceremony(world: World, step: str) -> None:
    STEPS[step](world)
    told = world.keyceremony("inventory", "--config", str(world.config), "--pin-file", str(world.pin_file))
    assert told.returncode != 0
    assert "error: " in told.stderr and "Traceback" not in told.stderr
    (world.folder / "told").write_text(told.stdout + told.stderr, "utf-8")
    assert found_in(world, MARK, world.pin) == []


def test_the_search_would_find_it(world: World) -> None:
    (world.folder / "told").write_text(f"... {MARK} ...", "utf-16-le")
    assert found_in(world, MARK) == [str(world.folder / "told")]


# --- memory ------------------------------------------------------------------------------------------

LOCKING = """
import resource, sys
from pathlib import Path
from appliance import hardening
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit))
print(hardening.lock_memory())
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmLck")) != "0")
"""


def test_an_engine_locks_its_memory_or_says_why_not(world: World) -> None:
    with Daemon(world) as daemon:
        status = Path(f"/proc/{daemon.engines()[0]}/status").read_text("utf-8")
        locked = next(line.split()[1] for line in status.splitlines() if line.startswith("VmLck"))
        assert (locked != "0") != ("kagimori engine: its memory is not locked" in daemon.log)
        os.kill(daemon.engines()[0], signal.SIGABRT)
    assert not [path for path in world.folder.rglob("core*") if path.is_file()]


def test_under_a_limit_nothing_is_locked_and_that_is_told(tmp_path: Path) -> None:
    as_ordinary = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*as_ordinary, sys.executable, "-c", LOCKING, str(4 << 20)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    why = "the limit is 4194304 bytes; LimitMEMLOCK=infinity (systemd) or ulimit -l unlimited lifts it"
    assert done.stdout.splitlines() == [why, "False"]


@pytest.mark.parametrize(
    ("swaps", "told"), [("Filename Type\n", False), ("Filename Type\n/dev/sda2 partition\n", True)]
)
def test_whether_a_swap_disk_could_get_a_pin(tmp_path: Path, swaps: str, told: bool) -> None:
    (tmp_path / "swaps").write_text(swaps, "ascii")
    assert hardening.may_be_swapped(tmp_path / "swaps") == told
    assert not hardening.may_be_swapped(tmp_path / "none")
