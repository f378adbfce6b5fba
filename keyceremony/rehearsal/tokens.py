"""Throw-away SoftHSM tokens with random PINs that no argument, no environment and no log ever holds.

``softhsm2-util`` takes PINs as arguments, which every user of the machine can read, or asks for them at a terminal; so
it gets a terminal. It is told which module to use, once that was found to be SoftHSM's (`keyceremony.rehearsal.child`).
"""

from __future__ import annotations

import os
import pty
import secrets
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from keyceremony import workspace
from keyceremony.rehearsal.cast import StandIn
from keyceremony.rehearsal.errors import TokenNotMade
from keyceremony.rehearsal.folder import Folder

TOOL = "softhsm2-util"
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_PIN_LENGTH = 16


def find_tool(given: Path | None, module: Path) -> Path:
    """``softhsm2-util``: the one given, on the PATH, beside the module, or in the ``bin`` that goes with its ``lib``.

    Raises:
        TokenNotMade: it is nowhere.
    """
    if given is not None:
        if not os.access(given, os.X_OK):
            raise TokenNotMade(f"{given}: no program that can be run", f"name {TOOL} by its full path")
        return given
    on_path = shutil.which(TOOL)
    libraries = [above for above in module.absolute().parents if above.name in ("lib", "lib64")]
    near = [module.parent / TOOL, *(library.parent / "bin" / TOOL for library in libraries)]
    found = [Path(on_path)] if on_path else [path for path in near if os.access(path, os.X_OK)]
    if not found:
        raise TokenNotMade(
            f"{TOOL} is not on the PATH and not near {module}: without it there are no throw-away tokens",
            f"install the package softhsm2, or give --{TOOL} PATH",
        )
    return found[0]


def environment(folder: Folder) -> dict[str, str]:
    """The environment of a process that sees the throw-away tokens and no others of SoftHSM's."""
    return {**os.environ, "SOFTHSM2_CONF": str(folder.configuration)}


def make(folder: Folder, tool: Path, module: Path, stand_ins: Iterable[StandIn]) -> None:
    """A token for each stand-in, its PINs in files of mode 0400. ``module`` must have been checked.

    Raises:
        TokenNotMade: SoftHSM's tool said no.
    """
    for one in stand_ins:
        pin, so_pin = _new_pin(folder.pin(one.entry)), _new_pin(folder.pin(one.entry, so=True))
        command = [str(tool), "--module", str(module), "--init-token", "--free", "--label", one.label]
        code, said = _at_terminal(command, environment(folder), [so_pin, so_pin, pin, pin])
        if code:
            words = [line.strip() for line in said.splitlines() if line.strip()]
            told = words[-1] if words else "it said nothing"
            raise TokenNotMade(f"{tool} did not make the token {one.label}: {told}", "is SoftHSM 2 installed whole?")


def _new_pin(path: Path) -> str:
    pin = "".join(secrets.choice(_ALPHABET) for _ in range(_PIN_LENGTH))
    workspace.create(path, f"{pin}\n".encode("ascii"), 0o400)
    return pin


def _at_terminal(command: list[str], environ: Mapping[str, str], answers: list[str]) -> tuple[int, str]:
    """Run a command at a terminal of its own, giving an answer at each prompt; exit code and what it said."""
    controller, terminal = pty.openpty()
    try:
        process = subprocess.Popen(  # noqa: S603 -- SoftHSM's own tool, found by `find_tool`
            command, stdin=terminal, stdout=terminal, stderr=terminal, env=environ, start_new_session=True
        )
        os.close(terminal)
        said = _converse(controller, list(answers))
        return process.wait(), said
    finally:
        os.close(controller)


def _converse(controller: int, answers: list[str]) -> str:
    said, prompts = b"", 0
    while True:
        try:
            block = os.read(controller, 4096)
        except OSError:  # EIO: the other side has closed the terminal
            return said.decode("utf-8", "replace")
        if not block:
            return said.decode("utf-8", "replace")
        said += block
        while answers and said.count(b"PIN: ") > prompts:  # typed only when asked: switching the echo off drops input
            prompts += 1
            os.write(controller, f"{answers.pop(0)}\n".encode("ascii"))
