"""``appliance oversight``: which commands the oversight body has for its own machine."""

from __future__ import annotations

import click

from appliance.commandline import At, Commands

_HELP = """Oversight: prove that the appliance hides nothing, from a machine of your own.

Step by step: docs/oversight-guide.md
"""
_ROOM = "appliance.oversight"
_TABLE = {
    "init": At(f"{_ROOM}.commands.init_command:command", "the two keys of a witness, once"),
    "witness": At(
        f"{_ROOM}.commands.witness_command:witness_command",
        "follow the log, and co-sign each head that goes on from the one before",
    ),
    "deliver": At(f"{_ROOM}.commands.witness_command:deliver_command", "hand in what was co-signed from a copy"),
    "export": At(f"{_ROOM}.commands.export_command:command", "a copy of the log, to be kept and verified elsewhere"),
    "verify": At(f"{_ROOM}.commands.verify_command:command", "everything about a copy, offline"),
    "report": At(f"{_ROOM}.report_command:report", "one page to look at, made from a copy"),
}


@click.group("oversight", cls=Commands, table=_TABLE, help=_HELP)
def oversight() -> None:
    """All commands."""
