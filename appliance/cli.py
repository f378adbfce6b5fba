"""``appliance``: run the daemon, convert from a shell, ask how it is, watch it. Errors are one line and a hint."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from appliance import commandline
from appliance.bulk.cli import bulk
from appliance.commandline import FAILED
from appliance.desk.command import desk
from appliance.hubkit.client import Client
from appliance.hubkit.wire import Conversion, Failed
from appliance.linking.numbering_cli import numbering
from appliance.linking.sector_cli import sector
from appliance.oversight.cli import oversight
from appliance.portal.card_command import card
from appliance.portal.cli import portal
from appliance.qualify.command import command as qualify
from appliance.tomlfile import ConfigurationError

SHOWN_FAILURES = 10

_HELP = """Key-management appliance of a national-ID linkage scheme.

\b
serve      run the daemon
convert    convert numbers through a running daemon
bulk       convert, re-key or count a column of a large file; resume a job that was cut off
status     what a running daemon says of itself
numbering  what the numbering authority runs: answer a sector's request for linkage numbers
oversight  what the oversight body runs: witness, export, verify, report
desk       oversight's desk: web pages to watch an appliance by, that change nothing
qualify    try whether a PKCS#11 token is fit to hold the keys
sector     what a sector's clerk runs: load people, ask for linkage numbers, work off inquiries
portal     the citizens' pages: who converted my number, when and for what
card       a citizen's own card: sign in to a portal with it, see what is on it

Keys and ledger are made with `keyceremony`.
"""
_EXIT_CODES = (
    "Exit codes: 0 done, 1 refused or failed, 2 usage, 3 configuration, 4 ledger refused, 5 token or PIN, "
    "6 daemon not reachable, 70 a defect of Kagimori."
)

_socket = click.option(
    "--socket",
    "socket_path",
    type=click.Path(path_type=Path),
    required=True,
    envvar="KAGIMORI_SOCKET",
    help="The socket of your role (or set KAGIMORI_SOCKET).",
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print the daemon's answer as JSON.")


@click.group(help=_HELP, epilog=_EXIT_CODES)
@click.version_option(package_name="kagimori", prog_name="appliance")
def cli() -> None:
    """All commands."""


cli.add_command(bulk)
cli.add_command(card)
cli.add_command(desk)
cli.add_command(numbering)
cli.add_command(oversight)
cli.add_command(portal)
cli.add_command(qualify)
cli.add_command(sector)


@cli.command()
@click.option(
    "--config", type=click.Path(path_type=Path), required=True, help="The configuration file (docs/configuration.md)."
)
def serve(config: Path) -> None:
    """Run the daemon in the foreground until SIGTERM or Ctrl-C; SIGHUP loads the ledger again.

    It listens only when ledger, token and every key have been checked. Its log goes to stderr.
    """
    from appliance.daemon.serve import serve as run_daemon  # noqa: PLC0415 -- the other commands need no server

    asyncio.run(run_daemon(config))


@cli.command()
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
@_socket
@_as_json
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


@cli.command()
@_socket
@_as_json
def status(socket_path: Path, as_json: bool) -> int:
    """Ask a running daemon how it is. The exit code is 1 when it could not convert now."""
    with Client(socket_path) as client:
        said = client.status()
    click.echo(json.dumps(said) if as_json else _status_text(said))
    return 0 if said["ready"] else FAILED


def _status_text(said: dict[str, Any]) -> str:
    ledger, engines, audit, token = said["ledger"], said["engines"], said["audit"], said["token"]
    serving = engines["serving"]
    lines = [
        "ready" if said["ready"] else f"not ready: {said['reason']}",
        f"role      {said['role']}",
        f"version   {said['version']}",
        f"ledger    entry {ledger['sequence']}, head {ledger['head']}{' (rehearsal)' if ledger['rehearsal'] else ''}",
        f"token     {token['label']}, serial {token['serial']}",
        f"engines   {len(serving)} of {engines['wanted']} serving, {sum(link['numbers'] for link in serving)} numbers",
        f"audit     {audit['records']} records{'' if audit['available'] else ', CANNOT BE WRITTEN'}",
    ]
    left = [(token["label"], token["left_out"]) for token in said["tokens"] if token["left_out"]]
    lines.extend(f"left out  {label} since {out['since']}: {out['reason']}" for label, out in left)
    return "\n".join(lines)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    return commandline.run(cli, "appliance", arguments)


def main() -> None:
    """Run the command line and end the process with its documented exit code."""
    commandline.prepare_streams()
    sys.exit(run())


if __name__ == "__main__":
    main()
