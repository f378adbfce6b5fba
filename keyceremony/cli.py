"""``keyceremony``: the command line of key ceremonies. Errors are one clear line and a hint, never a traceback."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from appliance import commandline, hardening
from appliance.commandline import At, Commands

_HELP = """Key ceremonies of Kagimori: keys exist because people agreed.

A whole ceremony, step by step: docs/ceremony-guide.md; when something goes wrong: docs/ceremony-trouble.md
"""
_EXIT_CODES = (
    "Exit codes: 0 done, 1 refused or failed, 2 usage, 3 configuration, 4 ledger refused, 5 token or PIN, "
    "70 a defect of Kagimori."
)
_ROOM = "keyceremony.commands"
_TABLE = {
    "enroll": At(f"{_ROOM}.enroll:command", "each participant, once: key, certificate and card"),
    "plan": At(
        f"{_ROOM}.plan:command",
        "draft what is to be done: genesis first, then keys, rotations, people, policy, backups, recovery",
    ),
    "show": At(f"{_ROOM}.approve:show_command", "read it, and compare its words aloud"),
    "rehearse": At(f"{_ROOM}.rehearse:command", "try it out first, with throw-away tokens and people"),
    "approve": At(f"{_ROOM}.approve:approve_command", "each approver, with their own key"),
    "refuse": At(f"{_ROOM}.approve:refuse_command", "likewise, with a reason that is kept"),
    "collect": At(f"{_ROOM}.table:collect_command", "approvals and refusals that were signed elsewhere"),
    "status": At(f"{_ROOM}.status:status_command", "who has approved, who is missing, what to type next"),
    "execute": At(f"{_ROOM}.execute:command", "carry it out on the token, once enough have approved"),
    "resume": At(f"{_ROOM}.execute:resume_command", "go on with an execute that was cut off"),
    "abort": At(f"{_ROOM}.execute:abort_command", "undo an execute that was cut off"),
    "inventory": At(f"{_ROOM}.inventory:command", "compare the tokens with the ledger, and tell what falls due"),
    "note": At(f"{_ROOM}.table:note_command", "write down what goes otherwise than the script says"),
    "renew": At(f"{_ROOM}.table:renew_command", "draft a plan anew that was overtaken or has expired"),
    "withdraw": At(f"{_ROOM}.table:withdraw_command", "put a pending plan away"),
    "verify": At(f"{_ROOM}.inspect:verify_command", "check the whole ledger, at any time, without a token"),
    "script": At(f"{_ROOM}.sheets:script_command", "the ceremony on paper, step by step, to be printed before it"),
    "minutes": At(f"{_ROOM}.sheets:minutes_command", "what was done, from the ledger, to be printed and signed"),
    "order": At(f"{_ROOM}.order:command", "a disclosure order: draft, show, sign, finish"),
    "pin": At(f"{_ROOM}.pin:command", "deal the token's PIN to officers, k of n, and put it together again"),
}


class _Plainly(Commands):
    """Every command that does something has ``--plain``."""

    def loaded(self, command: click.Command) -> click.Command:
        """With that option, on it or on all commands below it."""
        _take_plain(command)
        return command


def _take_plain(command: click.Command) -> None:
    if isinstance(command, click.Group):
        for below in command.commands.values():
            _take_plain(below)
        return
    option = click.Option(
        ["--plain"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_print_plainly,
        help="Print a transcript: no colours, no tables, one fact a line.",
    )
    command.params.append(option)


def _print_plainly(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    from keyceremony import screen  # noqa: PLC0415 -- which every command but help has loaded

    screen.plain(bool(wanted))


@click.group(cls=_Plainly, table=_TABLE, help=_HELP, epilog=_EXIT_CODES)
@click.version_option(package_name="kagimori", prog_name="keyceremony")
def cli() -> None:
    """All commands."""


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
