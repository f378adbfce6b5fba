"""``appliance``: which commands there are. Errors are one line and a hint."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from appliance import commandline
from appliance.commandline import At, Commands

_HELP = """Key-management appliance of a national-ID linkage scheme.

Keys and ledger are made with `keyceremony`.
"""
_EXIT_CODES = (
    "Exit codes: 0 done, 1 refused or failed, 2 usage, 3 configuration, 4 ledger refused, 5 token or PIN, "
    "6 daemon not reachable, 70 a defect of Kagimori."
)
_TABLE = {
    "serve": At("appliance.serve_command:serve", "run the daemon"),
    "convert": At("appliance.convert_command:convert", "convert numbers through a running daemon"),
    "bulk": At(
        "appliance.bulk.cli:bulk", "convert, re-key or count a column of a large file; resume a job that was cut off"
    ),
    "status": At("appliance.status_command:status", "what a running daemon says of itself"),
    "numbering": At(
        "appliance.linking.numbering_cli:numbering",
        "what the numbering authority runs: answer a sector's request for linkage numbers",
    ),
    "oversight": At(
        "appliance.oversight.cli:oversight", "what the oversight body runs: witness, export, verify, report"
    ),
    "desk": At(
        "appliance.desk.command:desk", "oversight's desk: web pages to watch an appliance by, that change nothing"
    ),
    "qualify": At("appliance.qualify.command:command", "try whether a PKCS#11 token is fit to hold the keys"),
    "sector": At(
        "appliance.linking.sector_cli:sector",
        "what a sector's clerk runs: load people, ask for linkage numbers, work off inquiries",
    ),
    "portal": At("appliance.portal.cli:portal", "the citizens' pages: who converted my number, when and for what"),
    "card": At(
        "appliance.portal.card_command:card", "a citizen's own card: sign in to a portal with it, see what is on it"
    ),
}


@click.group(cls=Commands, table=_TABLE, help=_HELP, epilog=_EXIT_CODES)
@click.version_option(package_name="kagimori", prog_name="appliance")
def cli() -> None:
    """All commands."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    return commandline.run(cli, "appliance", arguments)


def main() -> None:
    """Run the command line and end the process with its documented exit code."""
    commandline.prepare_streams()
    sys.exit(run())


if __name__ == "__main__":
    main()
