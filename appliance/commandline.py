"""How command lines begin and end: only what is called is loaded; of an error, one clear line, a hint, an exit code.

There is never a traceback: it might show a PIN or somebody's number, so of a defect only its kind and place are told.
What is printed comes from files and tokens that others wrote: nothing in it may turn round or hide other text.
"""

from __future__ import annotations

import importlib
import io
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import click

from appliance.errors import KagimoriError

FAILED = 1
DEFECT = 70


role_socket = click.option(
    "--socket",
    "socket_path",
    type=click.Path(path_type=Path),
    required=True,
    envvar="KAGIMORI_SOCKET",
    help="The socket of your role (or set KAGIMORI_SOCKET).",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the daemon's answer as JSON.")


class At(NamedTuple):
    """Where a command is, ``module:name``, and in one line what it does."""

    place: str
    text: str


class Commands(click.Group):
    """A group that loads a command when it is called, and lists all of them without loading any.

    A command line has dozens; together they need a web server's parts, a token's and a report's, which takes a second.

    Args:
        table: the commands by name, in the order in which help lists them.
        given: as `click.Group`.
    """

    def __init__(self, *, table: Mapping[str, At], **given: Any) -> None:
        super().__init__(**given)
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, in the table's order."""
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One of them, loaded; None if there is none of that name."""
        if cmd_name not in self._table:
            return None
        if cmd_name not in self.commands:
            module, _, name = self._table[cmd_name].place.partition(":")
            self.commands[cmd_name] = self.loaded(getattr(importlib.import_module(module), name))
        return self.commands[cmd_name]

    def loaded(self, command: click.Command) -> click.Command:
        """What is done to a command before it is used the first time; here nothing."""
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list, out of the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, at.text) for name, at in self._table.items()])


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
