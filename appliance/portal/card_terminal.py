"""How the citizen's card tool asks at the terminal, whatever its standard input is: a question, and the card's PIN."""

from __future__ import annotations

import getpass
import os

from appliance.portal.card_words import CardToolError, Words


def ask(words: Words, question: str) -> str:
    """A line typed at the terminal.

    Raises:
        CardToolError: there is no terminal.
    """
    descriptor = _terminal(words)
    try:
        os.write(descriptor, question.encode())
        return os.read(descriptor, 256).decode("utf-8", "replace").strip()
    finally:
        os.close(descriptor)


def ask_pin(words: Words, card: str) -> str:
    """The card's PIN, typed without echo.

    Raises:
        CardToolError: there is no terminal, or nothing was typed.
    """
    os.close(_terminal(words))
    pin = getpass.getpass(f"{words['pin'].format(card)}: ")
    if not pin:
        raise CardToolError(words["no_pin"], words["again"])
    return pin


def _terminal(words: Words) -> int:
    try:
        return os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        raise CardToolError(words["no_terminal"], words["no_terminal_hint"]) from None
