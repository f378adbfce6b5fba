"""softhsm-config/bootstrap.sh: quick the second time, believes only what is there, says one clear line."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from softhsmkit import PROJECT

SCRIPT = PROJECT / "softhsm-config" / "bootstrap.sh"
BARE_TOOLS = ("sh", "cat", "dirname", "find", "grep", "id", "mkdir", "mktemp", "mv", "paste", "rm", "sed", "sort")
NAMES = ("SOFTHSM_MODULE", "SOFTHSM2_UTIL", "PKCS11_TOOL", "PKCS11_SPY", "OPENSSL", "CURL")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A project with nothing but the bootstrap in it."""
    folder = tmp_path / "project" / "softhsm-config"
    folder.mkdir(parents=True)
    for name in ("bootstrap.sh", "packages.sh", "softhsm2.conf.in"):
        shutil.copy(PROJECT / "softhsm-config" / name, folder)
    return folder.parent


def run(project: Path, path: Path) -> subprocess.CompletedProcess[str]:
    """The bootstrap on a machine that has only the tools in ``path``: no apt, no SoftHSM."""
    script = project / "softhsm-config" / "bootstrap.sh"
    return subprocess.run(["/bin/sh", script], env={"PATH": str(path)}, capture_output=True, text=True)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in BARE_TOOLS:
        where = shutil.which(tool)
        assert where, f"{tool} is on every Debian"
        (folder / tool).symlink_to(where)
    return folder


def write_env(project: Path, paths: list[Path]) -> Path:
    written = project / "var" / "softhsm" / "env"
    written.parent.mkdir(parents=True)
    pairs = zip(NAMES, paths, strict=True)
    written.write_text("".join(f"KAGIMORI_{name}={path}\n" for name, path in pairs), encoding="utf-8")
    return written


def test_second_run_says_and_changes_nothing(softhsm: object) -> None:
    written = PROJECT / "var" / "softhsm" / "env"
    before = written.read_bytes(), written.stat().st_mtime_ns
    again = subprocess.run(["/bin/sh", SCRIPT], capture_output=True, text=True)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert (written.read_bytes(), written.stat().st_mtime_ns) == before


def test_what_an_earlier_run_found_is_believed_while_it_is_there(copy: Path, bare: Path) -> None:
    write_env(copy, [bare / "sh"] * 6)
    assert run(copy, bare).returncode == 0


@pytest.mark.parametrize("gone", range(6))
def test_what_is_gone_is_not_believed(copy: Path, bare: Path, gone: int) -> None:
    paths = [bare / "sh"] * 6
    paths[gone] = bare / "gone"
    write_env(copy, paths)
    assert run(copy, bare).returncode == 1


def test_half_written_file_is_not_believed(copy: Path, bare: Path) -> None:
    written = write_env(copy, [bare / "sh"] * 6)
    written.write_text("\n".join(written.read_text().splitlines()[:5]) + "\n")
    assert run(copy, bare).returncode == 1


def test_machine_without_anything_gets_one_clear_line(copy: Path, bare: Path) -> None:
    ended = run(copy, bare)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith(
        "bootstrap: no working SoftHSM2; install softhsm2, opensc, openssl and curl and run this again"
    )
    assert not (copy / "var" / "softhsm" / "env").exists()
