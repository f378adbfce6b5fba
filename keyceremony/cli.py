"""``keyceremony``: the command line of key ceremonies. Errors are one clear line and a hint, never a traceback."""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Sequence

import click

from appliance.errors import KagimoriError
from keyceremony import screen
from keyceremony.commands import approve, enroll, execute, inspect, plan

FAILED = 1
DEFECT = 70


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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks Japanese still shows what it can
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. Nothing but what is meant to be read reaches the terminal."""
    try:
        answer = cli.main(
            args=None if arguments is None else list(arguments), prog_name="keyceremony", standalone_mode=False
        )
        return answer if isinstance(answer, int) else 0
    except KagimoriError as error:
        return _say(error.message, error.hint, error.exit_code)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt, EOFError):
        return _say("stopped", "keyceremony status tells where things stand", FAILED)
    except OSError as error:
        return _say(
            f"{error.filename or 'input or output'}: {error.strerror}", "check path, permissions and disk", FAILED
        )
    except Exception as error:  # a traceback might show a secret: only kind and place are told
        place = traceback.extract_tb(error.__traceback__)[-1]
        return _say(
            f"a defect in Kagimori: {type(error).__name__} in {place.name}, line {place.lineno}",
            "please report it with the command you typed (never with a PIN or passphrase)",
            DEFECT,
        )


def _say(message: str, hint: str | None, code: int) -> int:
    click.echo(f"error: {screen.visible(message)}", err=True)
    if hint:
        click.echo(f"hint: {screen.visible(hint)}", err=True)
    return code


if __name__ == "__main__":
    main()
