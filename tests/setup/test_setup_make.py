"""The Makefile: an interrupted set-up starts anew, a finished one is not repeated, troubles are named."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from softhsmkit import PROJECT

FAKE = """#!/bin/sh
echo "$*" >>"{log}"
case $1 in
  -c) exit {old} ;;
  -m) mkdir -p .venv/bin && printf '#!/bin/sh\\necho "pip $*" >>"{log}"; exit %s\\n' "$(cat {pip})" >.venv/bin/python
      chmod +x .venv/bin/python; exit {no_venv} ;;
esac
"""


class Project:
    """A copy of the Makefile with a fake Python, which writes down what is asked of it."""

    def __init__(self, folder: Path, old: int = 0, no_venv: int = 0) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.pip = folder / "pip-exit-code"
        self.pip.write_text("0")
        for name in ("Makefile", "requirements.lock", "pyproject.toml"):
            shutil.copy(PROJECT / name, folder)
        python = folder / "fake-python"
        python.write_text(FAKE.format(log=self.log, pip=self.pip, old=old, no_venv=no_venv))
        python.chmod(0o755)

    def make(self, *targets: str) -> subprocess.CompletedProcess[str]:
        self.log.write_text("")
        words = ["make", "--no-print-directory", "PYTHON=./fake-python", *targets]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        return subprocess.run(words, cwd=self.folder, env=clean, capture_output=True, text=True)

    @property
    def asked(self) -> list[str]:
        return self.log.read_text().splitlines()


SETUP = ".venv/.project-installed"


def test_set_up_runs_once_and_again_when_the_lock_file_changes(tmp_path: Path) -> None:
    project = Project(tmp_path)
    assert project.make(SETUP).returncode == 0
    assert any("--require-hashes --only-binary :all: -r requirements.lock" in line for line in project.asked)
    assert any("--no-index --no-deps" in line and "--editable ." in line for line in project.asked)
    project.make(SETUP)
    assert project.asked == []
    newer = (tmp_path / SETUP).stat().st_mtime + 10
    os.utime(tmp_path / "requirements.lock", (newer, newer))
    project.make(SETUP)
    assert "-m venv .venv" in project.asked


def test_interrupted_set_up_starts_anew(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.pip.write_text("1")
    ended = project.make(SETUP)
    assert ended.returncode == 2
    assert "make: the libraries could not be installed; is the package index reachable?" in ended.stderr
    (tmp_path / ".venv" / "half-installed").touch()
    project.pip.write_text("0")
    assert project.make(SETUP).returncode == 0
    assert not (tmp_path / ".venv" / "half-installed").exists()


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ({"old": 1}, "make: needs Python 3.11 or newer; name one: make PYTHON=python3.12"),
        ({"no_venv": 1}, "make: no virtual environment; on Debian: apt-get install python3-venv"),
    ],
)
def test_troubles_are_named(tmp_path: Path, trouble: dict[str, int], words: str) -> None:
    ended = Project(tmp_path, **trouble).make(SETUP)
    assert ended.returncode == 2
    assert words in ended.stderr


def test_help_lists_every_target_a_person_needs(tmp_path: Path) -> None:
    said = Project(tmp_path).make().stdout
    listed = {line.split()[1] for line in said.splitlines()}
    assert listed >= {"help", "demo", "serve", "test", "lint", "bench", "clean"}


def test_commands_are_installed() -> None:
    for command in ("appliance", "keyceremony"):
        said = subprocess.run([PROJECT / ".venv" / "bin" / command, "--help"], capture_output=True, text=True)
        assert said.returncode == 0, said.stderr
        assert f"Usage: {command}" in said.stdout


def test_without_softhsm_tests_fail_and_say_what_helps(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    for name in ("conftest.py", "softhsmkit.py"):
        shutil.copy(PROJECT / "tests" / name, tmp_path / "tests")
    (tmp_path / "tests" / "test_it.py").write_text("def test_it(softhsm):\n    pass\n")
    python = PROJECT / ".venv" / "bin" / "python"
    words = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "SoftHSM2 is not set up here: `make test` installs it" in ended.stdout
    assert "1 error" in ended.stdout
    assert "skipped" not in ended.stdout
