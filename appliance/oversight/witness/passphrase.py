"""Where the passphrase of a witness's keys comes from: a hidden prompt, or a file that its owner alone can read.

Never an argument or the environment: both are open to other processes.
"""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from appliance.configuration import PinFileRefused, read_pin
from appliance.oversight.errors import SecretRefused

SHORTEST = 12  # characters


def ask(prompt: str) -> str:
    """A passphrase typed at the terminal without echo.

    Raises:
        SecretRefused: there is no terminal, or nothing was typed.
    """
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        raise SecretRefused(
            f"{prompt}: no terminal to ask at", "run it at a terminal, or name a file with --passphrase-file"
        ) from None
    typed = getpass.getpass(f"{prompt}: ")
    if not typed:
        raise SecretRefused(f"{prompt}: nothing typed", "run the command again")
    return typed


def given(file: Path | None, keys: Path) -> str:
    """The passphrase of keys that there are, from the file or asked for once.

    Raises:
        SecretRefused: others can read the file, it holds none, no terminal, or nothing typed.
    """
    return _from(file) if file else ask(f"Passphrase of the witness keys in {keys}")


def new(file: Path | None, keys: Path) -> str:
    """A new passphrase, from the file or asked for twice.

    Raises:
        SecretRefused: as `given`, or the two differ, or it is too short.
    """
    first = _from(file) if file else ask(f"New passphrase for the witness keys in {keys}")
    if file is None and ask("The same passphrase again") != first:
        raise SecretRefused("the two passphrases differ", "start again; nothing was written")
    if len(first) < SHORTEST:
        raise SecretRefused(f"the passphrase has fewer than {SHORTEST} characters", "take a longer one")
    return first


def _from(file: Path) -> str:
    """The same rules as for a PIN's file."""
    try:
        return read_pin(file)
    except PinFileRefused as error:
        message = error.message.replace("PIN", "passphrase")
        raise SecretRefused(message, f"chmod 600 {file}, one line, nothing else") from None
