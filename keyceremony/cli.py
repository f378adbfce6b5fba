"""``keyceremony``: the command line of key ceremonies. Errors are one clear line and a hint, never a traceback."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from appliance import commandline
from keyceremony.commands import approve, enroll, execute, inspect, plan

_HELP = """Key ceremonies of Kagimori: keys exist because people agreed.

\b
enroll    each participant, once: key, certificate and card
plan      draft what is to be done (genesis first, then keys)
show      read it, and compare its words aloud
approve   each approver, with their own key
status    who has approved, who is missing, what to type next
execute   carry it out on the token, once enough have approved
verify    check the whole ledger, at any time, without a token

A whole ceremony, step by step: docs/ceremony.md
"""
_EXIT_CODES = (
    "Exit codes: 0 done, 1 refused or failed, 2 usage, 3 configuration, 4 ledger refused, 5 token or PIN, "
    "70 a defect of Kagimori."
)


@click.group(help=_HELP, epilog=_EXIT_CODES)
@click.version_option(package_name="kagimori", prog_name="keyceremony")
def cli() -> None:
    """All commands."""


for _command in (
    enroll.command,
    plan.command,
    approve.show_command,
    approve.approve_command,
    approve.withdraw_command,
    inspect.status_command,
    execute.command,
    inspect.verify_command,
):
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its documented exit code."""
    commandline.prepare_streams()
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    return commandline.run(cli, "keyceremony", arguments, when_stopped="keyceremony status tells where things stand")


if __name__ == "__main__":
    main()
