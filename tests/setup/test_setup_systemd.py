"""The systemd units: nothing in them unknown, exposed as little as can be, and what they forbid is not needed."""

from __future__ import annotations

import getpass
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.configuration import load
from tests.daemonkit import Daemon, codes
from tests.servicekit import UNITS, UNPACKED, lines_of, served_by_systemd, tool
from tests.world import PROJECT, World, build_world

SERVICES = ("kagimori.service", "kagimori-engine@.service")
SOCKETS = ("kagimori-hub.socket", "kagimori-metrics.socket", "kagimori-engine.socket")
MOST_EXPOSED = 1.5
PAGE = PROJECT / "docs" / "operations.md"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build_world(tmp_path_factory.mktemp("units") / "w", keys=("spin", "sspin.A", "sspin.B"))


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Units of the system's own are looked for where systemd is installed, or unpacked."""
    if os.geteuid() and not Path("/run/systemd").is_dir() and arguments != ("--version",):
        pytest.skip("systemd-analyze wants a /run/systemd, and only root can make one on a machine without systemd")
    command = [tool("systemd-analyze"), "--no-pager", *arguments]
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{UNPACKED}/lib/systemd/system:", "SYSTEMD_EMOJI": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def installed(folder: Path) -> list[Path]:
    """The units as they would be installed, with programs in place of those below /opt/kagimori."""
    programs = folder / "bin"
    programs.mkdir()
    for name in ("appliance", "python"):
        (programs / name).write_text("#!/bin/sh\n", "ascii")
        (programs / name).chmod(0o755)
    for name in SERVICES + SOCKETS:
        text = (UNITS / name).read_text("utf-8")
        assert ("/opt/kagimori/bin/" in text) == name.endswith("service")
        (folder / name).write_text(text.replace("/opt/kagimori/bin", str(programs)), "utf-8")
    return [folder / name for name in SERVICES + SOCKETS]


def test_systemd_finds_nothing_to_say_about_the_units(tmp_path: Path) -> None:
    units = installed(tmp_path)
    verified = analyze("verify", "--man=no", *map(str, units))
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_it_would_say_something(tmp_path: Path) -> None:
    """Else the test above would show nothing."""
    units = installed(tmp_path)
    units[0].write_text(units[0].read_text("utf-8").replace("ProtectClock", "ProtectClok"), "utf-8")
    assert "'ProtectClok'" in analyze("verify", "--man=no", str(units[0])).stderr


@pytest.mark.parametrize("service", SERVICES)
def test_exposure(service: str) -> None:
    told = security(service)
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d+) ", told)
    assert found is not None, told
    assert float(found[1]) <= MOST_EXPOSED


def security(service: str) -> str:
    done = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED * 10:.0f}", str(UNITS / service))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_shows_what_systemd_analyze_says() -> None:
    """Every version of systemd words it in its own way; the page names the one that it shows."""
    text = PAGE.read_text("utf-8")
    version = analyze("--version").stdout.split("(")[0].strip()
    if f"({version})" not in text:
        assert re.search(r"\(systemd \d+\)", text), "the page names the version that it shows"
        return
    for service in SERVICES:
        block = f"```text\n$ systemd-analyze security --offline=true {service}\n{shown(service)}```\n"
        assert block in text, f"docs/operations.md needs this block:\n{block}"


def shown(service: str) -> str:
    """What is exposed, and how much in all: the marked lines and the last one."""
    lines = [line for line in security(service).splitlines() if line.startswith(("✗", "→"))]
    return "".join(f"{re.sub(' {2,}', '  ', line).rstrip()}\n" for line in lines)


# --- the units, the configuration and the code speak of the same things ---------------------------------


def test_units_and_example_agree() -> None:
    example = (UNITS / "kagimori.toml").read_text("utf-8")
    config = load(UNITS / "kagimori.toml")
    assert lines_of("kagimori-engine.socket", "ListenStream") == [str(config.engine.socket)]
    assert lines_of("kagimori.service", "User") == [config.engine.daemon_user]
    for section, unit in ((config.sockets[0], SOCKETS[0]), (config.metrics, SOCKETS[1])):
        assert section is not None
        assert lines_of(unit, "ListenStream") == [str(section.path)]
        assert lines_of(unit, "FileDescriptorName") == [section.role]
        assert lines_of(unit, "SocketGroup") == [section.group]
    assert [f"{config.token.pin_credential}:/etc/credstore/token-pin"] == lines_of(SERVICES[1], "LoadCredential")
    assert config.state.directory == Path("/var/lib") / lines_of(SERVICES[1], "StateDirectory")[0].split()[0]
    assert config.audit.directory == Path("/var/lib") / lines_of(SERVICES[0], "StateDirectory")[0] / "audit"
    assert float(lines_of(SERVICES[1], "WatchdogSec")[0]) > 2 * config.engine.deadline_seconds
    assert "pin_file" not in example


@pytest.mark.parametrize("unit", SOCKETS)
def test_nobody_but_a_group_connects(unit: str) -> None:
    assert lines_of(unit, "SocketMode") == ["0660"]
    assert lines_of(unit, "SocketUser") == ["root"]
    assert lines_of(unit, "Accept") == (["yes"] if unit == "kagimori-engine.socket" else [])


def test_only_the_engine_is_handed_the_pin() -> None:
    assert lines_of("kagimori.service", "LoadCredential") == []
    users = [lines_of(service, "User") for service in SERVICES]
    assert users == [["kagimori"], ["kagimori-engine"]]


def test_users_and_folders_can_be_made(tmp_path: Path) -> None:
    """In a folder that stands for the root of a machine."""
    users = subprocess.run(
        [tool("systemd-sysusers"), f"--root={tmp_path}", "--dry-run", str(UNITS / "kagimori.sysusers")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert users.returncode == 0, users.stderr
    for name in ("kagimori", "kagimori-engine", "kagimori-hub", "kagimori-metrics"):
        assert f"Creating group '{name}' with" in users.stderr + users.stdout, users.stderr
    groups = {
        line.split()[1] for line in (UNITS / "kagimori.sysusers").read_text().splitlines() if line[:2] in ("u ", "g ")
    }
    assert {group for unit in SOCKETS for group in lines_of(unit, "SocketGroup")} <= groups


# --- what the units forbid is not needed ---------------------------------------------------------------


def confined(unit: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tests.sandbox", unit)


def test_daemon_and_engine_work_under_the_filters_of_their_units(world: World) -> None:
    program = ("-m", "tests.sandbox", "kagimori.service", sys.executable, "-m", "appliance.cli")
    engines = served_by_systemd(world, getpass.getuser(), before=confined("kagimori-engine@.service"))
    with engines as systemd, Daemon(world, program=program) as daemon:
        people = codes(2_000)
        in_a = daemon.numbers("resident", "sspin.A", people, role="numbering")
        in_b = daemon.numbers("resident", "sspin.B", people, role="numbering")
        assert daemon.numbers("sspin.A", "sspin.B", in_a[:3]) == in_b[:3]
        assert (
            daemon.stream("sspin.A", "sspin.B", "".join(f"{n}\n" for n in in_a).encode()).body.decode().split() == in_b
        )
        assert daemon.ask("oversight", "GET", "/v1/log/checkpoint").status == 200
        assert daemon.stop() == 0
        assert not [
            word for word in ("Operation not permitted", "Traceback", "ERROR") if word in daemon.log + systemd.log
        ]


FORBIDDEN = """
import ctypes, mmap, os, socket
def refused(name, call):
    try:
        call()
    except OSError as error:
        print(name, error.errno)
refused("internet", lambda: socket.socket(socket.AF_INET))
refused("netlink", lambda: socket.socket(socket.AF_NETLINK))
refused("code", lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC))
refused("owner", lambda: os.chown(os.devnull, -1, -1))
refused("root", lambda: os.chroot("/"))
refused("user", lambda: os.setuid(os.getuid()))
print("unix", socket.socket(socket.AF_UNIX).family == socket.AF_UNIX)
"""


@pytest.mark.parametrize("service", SERVICES)
def test_the_filters_do_refuse(service: str) -> None:
    """Else the test above would show nothing."""
    done = subprocess.run(
        [*confined(service), sys.executable, "-c", FORBIDDEN],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "internet 97",
        "netlink 97",
        "code 1",
        "owner 1",
        "root 1",
        "user 1",
        "unix True",
    ]
