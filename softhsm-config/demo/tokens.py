"""SoftHSM tokens with random PINs that no argument, no environment and no log ever holds.

`softhsm2-util` takes PINs as arguments, which every user of the machine can read, or asks for them at a
terminal. So it gets a terminal.
"""

from __future__ import annotations

import os
import pty
import re
import secrets
import subprocess
from collections.abc import Iterable
from pathlib import Path

from layout import DemoError, Layout, Tools
from running import Runner

_SERIAL = re.compile(r"serial num(?:ber)?\s*:\s*(?P<serial>\S+)")
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"


def make(layout: Layout, tools: Tools, runner: Runner, labels: Iterable[str]) -> None:
    """A token for each label, its PIN in ``pins/LABEL``, the security officer's in ``pins/LABEL.so``.

    Raises:
        DemoError: SoftHSM refused.
    """
    for label in labels:
        pin = _new_pin(layout.pin_file(label))
        so_pin = _new_pin(layout.pins / f"{label}.so")
        command = [str(tools.softhsm2_util), "--init-token", "--free", "--label", label]
        code, said = _at_terminal(command, layout.environment(label), [so_pin, so_pin, pin, pin])
        runner.note(command, code, said)
        if code:
            raise runner.failure(f"making the token {label}", said)


def serial(layout: Layout, tools: Tools, runner: Runner, label: str) -> str:
    """A token's serial number, as pkcs11-tool reads it."""
    command = [str(tools.pkcs11_tool), "--module", str(tools.module), "--list-token-slots"]
    done = subprocess.run(command, env=layout.environment(label), capture_output=True, text=True, check=False)
    runner.note(command, done.returncode, done.stdout + done.stderr)
    for slot in done.stdout.split("\nSlot "):
        labels = re.search(r"token label\s*:\s*(\S+)", slot)
        found = _SERIAL.search(slot)
        if labels and found and labels[1] == label:
            return found["serial"]
    raise DemoError(f"pkcs11-tool does not list the token {label}", f"what it said is in {layout.log}")


def _new_pin(path: Path) -> str:
    pin = "".join(secrets.choice(_ALPHABET) for _ in range(16))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(pin + "\n")
    return pin


def _at_terminal(command: list[str], environment: dict[str, str], answers: list[str]) -> tuple[int, str]:
    """Run a command at a terminal of its own, giving an answer at each prompt; exit code and what it said."""
    master, slave = pty.openpty()
    try:
        process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        said = _converse(master, list(answers))
        return process.wait(), said
    finally:
        os.close(master)


def _converse(master: int, answers: list[str]) -> str:
    said, prompts = b"", 0
    while True:
        try:
            block = os.read(master, 4096)
        except OSError:  # EIO: the other side has closed the terminal
            return said.decode("utf-8", "replace")
        if not block:
            return said.decode("utf-8", "replace")
        said += block
        while answers and said.count(b"PIN: ") > prompts:  # typed only when asked: switching the echo off drops input
            prompts += 1
            os.write(master, (answers.pop(0) + "\n").encode())
