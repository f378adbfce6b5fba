"""Where PINs and passphrases come from: a hidden prompt, or a file that its owner alone can read.

Never an argument or the environment: both are open to other processes. A secret is asked for once;
a wrong PIN ends the run, because tokens lock after a few.
"""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path

from appliance import hardening
from appliance.configuration import PinFileRefused, read_pin
from keyceremony.errors import SecretRefused

SHORTEST_PASSPHRASE = 12


def ask(prompt: str) -> str:
    """A secret typed at the terminal without echo.

    Raises:
        SecretRefused: there is no terminal, or nothing was typed.
    """
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        raise SecretRefused(
            f"{prompt}: no terminal to ask at",
            "run it at a terminal, or name a file that holds it (--help lists the options)",
        ) from None
    if hardening.may_be_swapped():
        print("note: a swap disk may get what you type; prevent it with `ulimit -l unlimited`", file=sys.stderr)
    secret = getpass.getpass(f"{prompt}: ")
    if not secret:
        raise SecretRefused(f"{prompt}: nothing typed", "run the command again")
    return secret


def pin_for(token: str, file: Path | None) -> str:
    """The PIN of a token, from the file or asked for once.

    Raises:
        PinFileRefused: others can read the file, or it holds no PIN.
        SecretRefused: no terminal, or nothing typed.
    """
    return read_pin(file) if file else ask(f"PIN of token {token}")


def passphrase_for(pem: Path, file: Path | None) -> str:
    """The passphrase of an encrypted key, from the file or asked for once.

    Raises:
        SecretRefused: others can read the file, it holds none, no terminal, or nothing typed.
    """
    return _read_passphrase(file) if file else ask(f"Passphrase of {pem}")


def new_passphrase(pem: Path, file: Path | None) -> str:
    """A new passphrase: from the file, or asked for twice.

    Raises:
        SecretRefused: as `passphrase_for`, or the two differ, or it is too short.
    """
    first = _read_passphrase(file) if file else ask(f"New passphrase for {pem}")
    if file is None and ask("The same passphrase again") != first:
        raise SecretRefused("the two passphrases differ", "start again; nothing was written")
    if len(first) < SHORTEST_PASSPHRASE:
        raise SecretRefused(f"the passphrase has fewer than {SHORTEST_PASSPHRASE} characters", "take a longer one")
    return first


def _read_passphrase(file: Path) -> str:
    """The same rules as for a PIN's file."""
    try:
        return read_pin(file)
    except PinFileRefused as error:
        message = error.message.replace("PIN", "passphrase")
        raise SecretRefused(message, f"chmod 600 {file}, one line, nothing else") from None
