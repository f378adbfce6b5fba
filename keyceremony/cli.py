"""``keyceremony``: the command line of key ceremonies. Errors are one clear line and a hint, never a traceback."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from appliance import commandline, hardening
from keyceremony import screen
from keyceremony.commands import (
    approve,
    enroll,
    execute,
    inspect,
    inventory,
    order,
    pin,
    plan,
    rehearse,
    sheets,
    status,
    table,
)

_HELP = """Key ceremonies of Kagimori: keys exist because people agreed.

\b
enroll    each participant, once: key, certificate and card
plan      draft what is to be done: genesis first, then keys, rotations, people, policy, backups, recovery
show      read it, and compare its words aloud
rehearse  try it out first, with throw-away tokens and people
approve   each approver, with their own key; refuse, with a reason, likewise
collect   approvals and refusals that were signed elsewhere
status    who has approved, who is missing, what to type next
execute   carry it out on the token, once enough have approved
resume    go on with an execute that was cut off; abort undoes it
inventory compare the tokens with the ledger, and tell what falls due
note      write down what goes otherwise than the script says
renew     draft a plan anew that was overtaken or has expired; withdraw puts it away
verify    check the whole ledger, at any time, without a token
script    the ceremony on paper, step by step, to be printed before it
minutes   what was done, from the ledger, to be printed and signed
order     a disclosure order: draft, show, sign, finish
pin       deal the token's PIN to officers, k of n, and put it together again

A whole ceremony, step by step: docs/ceremony-guide.md; when something goes wrong: docs/ceremony-trouble.md
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
    approve.refuse_command,
    table.collect_command,
    table.note_command,
    table.renew_command,
    table.withdraw_command,
    status.status_command,
    execute.command,
    execute.resume_command,
    execute.abort_command,
    inventory.command,
    inspect.verify_command,
    rehearse.command,
    sheets.script_command,
    sheets.minutes_command,
    order.command,
    pin.command,
):
    cli.add_command(_command)


def _take_plain(command: click.Command) -> None:
    """Every command that does something has ``--plain``."""
    if isinstance(command, click.Group):
        for below in command.commands.values():
            _take_plain(below)
        return
    option = click.Option(
        ["--plain"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=lambda context, parameter, wanted: screen.plain(bool(wanted)),
        help="Print a transcript: no colours, no tables, one fact a line.",
    )
    command.params.append(option)


_take_plain(cli)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its documented exit code."""
    hardening.tell_no_exception_text()
    hardening.forbid_reading()
    hardening.lock_memory()  # where it cannot be locked, whoever is asked for a secret is told
    commandline.prepare_streams()
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    return commandline.run(cli, "keyceremony", arguments, when_stopped="keyceremony status tells where things stand")


if __name__ == "__main__":
    main()
