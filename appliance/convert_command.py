"""``appliance convert``: numbers through a running daemon, as arguments, typed, or a stream of any length."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from appliance.commandline import FAILED, as_json, role_socket
from appliance.hubkit.client import Client
from appliance.hubkit.wire import Conversion, Failed
from appliance.tomlfile import ConfigurationError

SHOWN_FAILURES = 10


@click.command()
@click.argument("source")
@click.argument("target")
@click.argument("numbers", nargs=-1)
@click.option(
    "--purpose", required=True, help="What for; one of the purposes that the ledger's policy gives your role."
)
@click.option("--reference", required=True, help="Your own note for the audit record, such as a case number.")
@click.option(
    "--order",
    "order_path",
    type=click.Path(path_type=Path),
    help="A disclosure order, as `keyceremony order finish` wrote it.",
)
@role_socket
@as_json
def convert(
    source: str,
    target: str,
    numbers: tuple[str, ...],
    purpose: str,
    reference: str,
    order_path: Path | None,
    socket_path: Path,
    as_json: bool,
) -> int:
    """Convert NUMBERS, or one number a line from standard input, from SOURCE to TARGET.

    SOURCE and TARGET are domains such as sspin.B (its current key generation) or generations such as
    sspin.B.1. One line comes out for each number, in the same order, "!code" for a failed one; failed ones
    are named on stderr as well, and the exit code is then 1. Other users of this machine can see
    arguments, so prefer standard input for real numbers; it may be of any length. Typed at a terminal, each
    number is answered at once.
    """
    terms = _Terms(source, target, purpose, reference, _read_order(order_path))
    with Client(socket_path, timeout=60.0) as client:
        if not numbers and not as_json and sys.stdin.isatty():
            failures = _convert_typed(client, terms)
        elif not numbers and not as_json:
            failures = _convert_stream(client, terms)
        else:
            failures = _show(terms.ask(client, numbers or [line.rstrip("\r\n") for line in sys.stdin]), as_json)
    return FAILED if failures else 0


class _Terms(NamedTuple):
    """What a conversion is asked under."""

    source: str
    target: str
    purpose: str
    reference: str
    order: bytes

    def ask(self, client: Client, numbers: Sequence[str]) -> Conversion:
        """One question."""
        return client.convert(
            self.source, self.target, numbers, purpose=self.purpose, reference=self.reference, order=self.order
        )


def _read_order(path: Path | None) -> bytes:
    try:
        return b"" if path is None else path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"order {path}: {error.strerror}", "name the file .order.cms of the order") from None


def _lines(answer: Conversion) -> list[str]:
    return [f"!{result.code}" if isinstance(result, Failed) else result.number for result in answer.results]


def _show(answer: Conversion, as_json: bool) -> int:
    """Print an answer; how many numbers failed."""
    lines = _lines(answer)
    if as_json:
        results = [{"error": line[1:]} if line.startswith("!") else {"number": line} for line in lines]
        whole = {"source": answer.source, "target": answer.target, "record": answer.record, "results": results}
        click.echo(json.dumps(whole))
    else:
        click.echo("\n".join(lines))
    failures = Failures()
    failures.look(lines)
    return failures.report()


def _convert_typed(client: Client, terms: _Terms) -> int:
    """A person at a terminal: each line is answered before the next is read; how many numbers failed."""
    click.echo("One number a line, each answered at once; Ctrl-D ends.", err=True)
    failed = 0
    while line := sys.stdin.readline():
        asked = [line.rstrip("\r\n")]
        (shown,) = _lines(terms.ask(client, asked))
        click.echo(shown)
        failed += shown.startswith("!")
    return failed


def _convert_stream(client: Client, terms: _Terms) -> int:
    failures = Failures()
    out = sys.stdout.buffer
    lines = sys.stdin.buffer
    why = {"purpose": terms.purpose, "reference": terms.reference}
    with client.convert_stream(terms.source, terms.target, lines, **why, order=terms.order) as stream:
        for block in stream.blocks():
            out.write(block)
            out.flush()
            if b"!" in block:
                failures.look(block.decode("ascii").splitlines())
            else:
                failures.seen += block.count(b"\n")
    return failures.report()


class Failures:
    """Numbers that failed: the first few by their place, all of them by count."""

    def __init__(self) -> None:
        self.seen = 0
        self._codes: Counter[str] = Counter()

    def look(self, lines: Iterable[str]) -> None:
        """Take note of answer lines."""
        for line in lines:
            self.seen += 1
            if line.startswith("!"):
                self._codes[line[1:]] += 1
                if self._codes.total() <= SHOWN_FAILURES:
                    click.echo(f"number {self.seen}: {line}", err=True)

    def report(self) -> int:
        """How many failed; said on stderr if there were more than a few."""
        total = self._codes.total()
        if total > SHOWN_FAILURES:
            counts = ", ".join(f"{count} {code}" for code, count in self._codes.most_common())
            click.echo(f"{total} of {self.seen} numbers failed: {counts}", err=True)
        return total
