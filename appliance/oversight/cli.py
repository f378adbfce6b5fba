"""``appliance oversight``: what the oversight body runs on its own machine."""

from __future__ import annotations

import click

from appliance.oversight import report_command
from appliance.oversight.commands import export_command, init_command, verify_command, witness_command
from appliance.oversight.report_command import report

_HELP = """Oversight: prove that the appliance hides nothing, from a machine of your own.

\b
init      the two keys of a witness, once
witness   follow the log, and co-sign each head that goes on from the one before
deliver   hand in what was co-signed from a copy
export    a copy of the log, to be kept and verified elsewhere
verify    everything about a copy, offline
report    one page to look at, made from a copy

Step by step: docs/oversight-guide.md
"""


@click.group("oversight", help=_HELP)
def oversight() -> None:
    """All commands."""


for _command in (
    init_command.command,
    witness_command.witness_command,
    witness_command.deliver_command,
    export_command.command,
    verify_command.command,
    report,
    report_command.report,
):
    oversight.add_command(_command)
