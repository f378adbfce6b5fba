"""How both command lines end: with a documented exit code; of an error, one clear line and a hint, never a traceback.

A traceback might show a PIN or somebody's number, so of a defect only its kind and place are told. What is
printed comes from files and tokens that others wrote: nothing in it may turn round or hide other text.
"""

from __future__ import annotations

import io
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import click

from appliance.errors import KagimoriError

FAILED = 1
DEFECT = 70


def run(
    command: click.Command, name: str, arguments: Sequence[str] | None = None, *, when_stopped: str | None = None
) -> int:
    """Run a command line; the exit code. Nothing but what is meant to be read reaches the terminal.

    ``when_stopped`` is the hint after Ctrl-C or the end of the input.
    """
    try:
        answer = command.main(
            args=None if arguments is None else list(arguments), prog_name=name, standalone_mode=False
        )
        return answer if isinstance(answer, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:  # nobody reads any more, so there is nobody to tell
        return FAILED
    except (click.Abort, KeyboardInterrupt, EOFError):
        return _say("stopped", when_stopped, FAILED)
    except Exception as error:
        return _say(*_told(error))


def prepare_streams() -> None:
    """Let a terminal that lacks Japanese still show what it can."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def visible(text: str) -> str:
    """The text with everything that does not show, or turns other text round, written as an escape."""
    return "".join(letter if letter.isprintable() or letter == "\u3000" else ascii(letter)[1:-1] for letter in text)


def _told(error: Exception) -> tuple[str, str | None, int]:
    """Message, hint and exit code."""
    if isinstance(error, KagimoriError):
        return error.message, error.hint, error.exit_code
    if isinstance(error, OSError):
        place = error.filename or "input or output"
        return f"{place}: {error.strerror}", "check path, permissions and disk", FAILED
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{type(error).__name__} in {place.name}, line {place.lineno}"
    return f"a defect in Kagimori: {where}", "please report it with the command you typed (never with a secret)", DEFECT


def _say(message: str, hint: str | None, code: int) -> int:
    click.echo(f"error: {visible(message)}", err=True)
    if hint:
        click.echo(f"hint: {visible(hint)}", err=True)
    return code


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the work inside as Ctrl-C does, so that what was made is removed again."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
