"""PIN shares at a terminal: each officer in turn sees their words once and proves it, or types them unseen.

Words go to the terminal itself, never to standard output, which may be a pipe or a transcript; on the alternate
screen, which is wiped before it is left, so that the next officer finds nothing.
"""

from __future__ import annotations

import getpass
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from keyceremony import screen
from keyceremony.errors import SecretRefused, ShareRefused
from keyceremony.people import secrets
from keyceremony.pin import pinshares
from keyceremony.pin.pinshares import Share

_TERMINAL = Path("/dev/tty")
_ENTER = "\x1b[?1049h\x1b[2J\x1b[H"  # xterm: alternate screen, wiped, cursor to its corner
_LEAVE = "\x1b[2J\x1b[3J\x1b[H\x1b[?1049l"  # wiped with its scroll-back, then back to the ordinary screen
_PROOFS = 2
_A_LINE = 4


def require_one(what: str, instead: str) -> None:
    """Refuse to go on without a terminal, before anything else is asked.

    Raises:
        SecretRefused: there is none.
    """
    try:
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        raise SecretRefused(f"no terminal to {what} at", f"run it at a terminal, or {instead}") from None


def require_screen() -> None:
    """Refuse to show shares without a terminal whose screen can be wiped.

    Raises:
        SecretRefused: there is none.
    """
    require_one("show shares", "give --out-dir")
    if os.environ.get("TERM", "dumb") == "dumb":
        raise SecretRefused("this terminal's screen cannot be wiped (TERM), so no share is shown", "give --out-dir")


def deal(shares: Sequence[Share]) -> None:
    """Show every officer their words, one after the other, until each has proved to have written them down."""
    out = screen.console()
    for number, share in enumerate(shares, 1):
        screen.line(out, f"Share {number} of {len(shares)} is for {share.officer}. The others look away.")
        getpass.getpass(f"{share.officer}: press Enter to see your words")
        while not _written_down(share):
            screen.line(out, "That is not what was shown. The words come again; correct what you wrote.")
        screen.line(out, f"{share.officer} has share {number}.")


def _written_down(share: Share) -> bool:
    """Show the words, take them away, and ask for two of them."""
    with _page(_page_of(share)):
        getpass.getpass("Press Enter when all of it is written down; the screen is wiped then")
    words = share.words.split()
    asked = sorted(random.SystemRandom().sample(range(len(words)), _PROOFS))
    answers = [getpass.getpass(f"{share.officer}: type word {place + 1} (not shown): ") for place in asked]
    return all(pinshares.same_word(typed, words[place]) for typed, place in zip(answers, asked, strict=True))


def _page_of(share: Share) -> str:
    numbered = [f"{place:3}. {word:<10}" for place, word in enumerate(share.words.split(), 1)]
    rows = ["".join(numbered[start : start + _A_LINE]) for start in range(0, len(numbered), _A_LINE)]
    heading = f"{share.officer}: your share of the PIN of token {share.token}, serial {share.serial}"
    rule = f"Any {share.threshold} of {share.count} make the PIN. Write by hand: these words with their numbers."
    return "\n".join([heading, rule, "", *rows, "", ""])


@contextmanager
def _page(text: str) -> Iterator[None]:
    with _TERMINAL.open("w", encoding="utf-8", errors="backslashreplace") as terminal:
        try:
            terminal.write(_ENTER + text)
            terminal.flush()
            yield
        finally:
            terminal.write(_LEAVE)


def collect() -> list[str]:
    """As many shares as are needed, in words, typed by one officer after the other without being shown.

    Raises:
        SecretRefused: nothing was typed.
    """
    out = screen.console()
    given: list[str] = []
    while not given or len(given) < pinshares.threshold_of(given[0]):
        typed = secrets.ask(f"Share {len(given) + 1}: its words (first four letters will do; not shown)")
        try:
            words = pinshares.normal_words(typed)
            pinshares.require_fitting([*given, words])
        except ShareRefused as refused:
            screen.line(out, f"Not taken: {refused.message} ({refused.hint}).")
            continue
        given.append(words)
        missing = pinshares.threshold_of(words) - len(given)
        screen.line(out, f"Taken. Shares still missing: {missing}" if missing else "Taken. That is all.")
    return given
