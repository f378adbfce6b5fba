"""Programs of others that judge our log: aics-tlog and tlog-scales, in a virtual environment of their own.

They share no code with Kagimori, nor with each other, so what all three agree on is what the
specifications say. What each of them judges:

- aics-tlog: signed checkpoint, Ed25519 cosignatures and their quorum, inclusion, consistency, every
  tile and entry bundle of a copy;
- tlog-scales: signed checkpoint, Ed25519 and ML-DSA-44 cosignatures, inclusion, consistency, and
  proofs that it makes itself out of a copy's tiles.

`tests/tlog/independent.lock` pins them by hash. They are installed once, below ``var/``; the test
fails if that cannot be done.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from softhsmkit import PROJECT

LOCK = PROJECT / "tests" / "tlog" / "independent.lock"
SCRIPT = PROJECT / "tests" / "tlog" / "judges.py"
MISSING = "the judges of the log could not be installed; is the package index reachable?"
OK = "ok"
NAMES = ("aics", "scales")


@dataclass(frozen=True)
class Judges:
    """Both programs; each answers "ok", or why not."""

    python: Path

    def ask(self, questions: Sequence[dict[str, Any]]) -> list[Any]:
        """The answers to questions of ``tests/tlog/judges.py``, in order, from one process."""
        asked = "".join(f"{json.dumps(question)}\n" for question in questions)
        command = [self.python, "-I", SCRIPT]
        answer = subprocess.run(command, input=asked, capture_output=True, text=True, encoding="utf-8", timeout=300)
        assert answer.returncode == 0, answer.stderr
        answers = [json.loads(line) for line in answer.stdout.splitlines()]
        assert len(answers) == len(questions)
        return answers

    def copy(self, folder: Path, origin: str, log_key: str, witnesses: Sequence[str] = ()) -> dict[str, str]:
        """What each judge says of a copy of a log: ``checkpoint``, ``tile/…`` and ``tile/entries/…`` in a folder.

        Args:
            folder: the copy.
            origin: the log's name.
            log_key: the vkey of the log, which must have signed the checkpoint.
            witnesses: vkeys, each of which must have cosigned it (aics-tlog looks at the Ed25519 ones).

        Returns:
            For each judge's name "ok", or what it objects to.
        """
        question = {"folder": str(folder), "origin": origin, "log_key": log_key, "witnesses": list(witnesses)}
        return self._both("copy", question)

    def grown(self, folder: Path, older: bytes) -> dict[str, str]:
        """Whether the copy continues an older checkpoint (a signed note), by proofs that each judge makes itself."""
        return self._both("grown", {"folder": str(folder), "older": older.decode()})

    def _both(self, what: str, question: dict[str, Any]) -> dict[str, str]:
        answers = self.ask([question | {"ask": f"{name}.{what}"} for name in NAMES])
        return dict(zip(NAMES, answers, strict=True))


def install() -> Judges:
    """The judges, installed if they are not there yet; safe to ask for from several test processes."""
    home = PROJECT / "var" / f"judges-{sys.version_info.major}.{sys.version_info.minor}"
    home.mkdir(parents=True, exist_ok=True)
    mark, wanted = home / "installed", hashlib.sha256(LOCK.read_bytes()).hexdigest()
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.is_file() or mark.read_text() != wanted:
            mark.unlink(missing_ok=True)
            _install(home / "venv")
            mark.write_text(wanted)
    return Judges(home / "venv" / "bin" / "python")


def _install(venv: Path) -> None:
    shutil.rmtree(venv, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--python", venv / "bin" / "python", "install", "--quiet", "--no-input"]
    pinned = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--ignore-requires-python", "-r", LOCK]
    for command in ([sys.executable, "-m", "venv", "--without-pip", venv], [*pip, *pinned]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.fail(f"{MISSING}\n{done.stderr}", pytrace=False)
