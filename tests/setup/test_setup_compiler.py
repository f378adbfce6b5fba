"""softhsm-config/compiler.sh: for the tests alone; believes only a compiler that works, says one clear line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from softhsmkit import PROJECT

from tests.shimkit import find_compiler

BARE_TOOLS = ("sh", "cat", "dirname", "find", "grep", "head", "id", "mkdir", "mktemp", "mv", "paste", "rm", "sort")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A project with nothing but the set-up of the compiler in it."""
    folder = tmp_path / "project" / "softhsm-config"
    folder.mkdir(parents=True)
    for name in ("compiler.sh", "packages.sh"):
        shutil.copy(PROJECT / "softhsm-config" / name, folder)
    return folder.parent


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The tools that are on every Debian: no apt, no compiler."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in BARE_TOOLS:
        where = shutil.which(tool)
        assert where, f"{tool} is on every Debian"
        (folder / tool).symlink_to(where)
    (folder / "python3").symlink_to(sys.executable)
    return folder


def run(project: Path, path: Path) -> subprocess.CompletedProcess[str]:
    script = project / "softhsm-config" / "compiler.sh"
    return subprocess.run(["/bin/sh", script], env={"PATH": str(path)}, capture_output=True, text=True, timeout=120)


def put(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_a_machine_without_one_gets_one_clear_line_with_the_packages(copy: Path, bare: Path) -> None:
    ended = run(copy, bare)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert ended.stderr.startswith("compiler: no working C compiler; install gcc and libc6-dev and run this again")
    assert not (copy / "var" / "softhsm" / "compiler").exists()


def test_one_that_makes_nothing_is_not_believed(copy: Path, bare: Path) -> None:
    put(bare, "cc", "exit 0")
    assert run(copy, bare).returncode == 1
    put(bare, "cc", "echo 'no headers here' >&2; exit 1")
    assert run(copy, bare).returncode == 1
    assert "no headers here" in (copy / "var" / "softhsm" / "compiler.log").read_text()


def test_one_that_works_is_written_down_and_asked_once(copy: Path, bare: Path) -> None:
    put(bare, "cc", f'echo asked >>"{copy}/asked"; PATH={os.environ["PATH"]} exec {find_compiler()} "$@"')
    for _ in range(2):
        ended = run(copy, bare)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert (copy / "var" / "softhsm" / "compiler").read_text() == f"{bare}/cc\n"
    assert (copy / "asked").read_text() == "asked\n"


def test_only_the_tests_want_a_compiler() -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    asked = {
        target: subprocess.run(["make", "-n", target], cwd=PROJECT, env=clean, capture_output=True, text=True).stdout
        for target in ("demo", "serve", "bench", "test")
    }
    assert {target for target, said in asked.items() if "compiler.sh" in said} == {"test"}
    assert all("bootstrap.sh" in said for said in asked.values())
