"""``appliance numbering``: what the numbering authority does for the sectors."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.commandline import stopped_by_sigterm
from appliance.linking import options

_HELP = """The numbering authority's part of linking: requests of sectors, answered.

\b
link   REQUEST   match a request against the resident register, and answer it with linkage numbers

Step by step: docs/linking.md
"""


@click.group("numbering", help=_HELP)
def numbering() -> None:
    """All commands."""


_LINK = """Answer a sector's REQUEST: match it against the register, have the appliance number those found for certain.

The answer has its name when it is whole and on the disk; cut off, the command is simply run again. It names the request
that it answers, so the sector takes it once, and for that request only. It holds linkage numbers: send it back by a way
that nobody else reads or alters.

\b
appliance numbering link request.jsonl --register register.csv --socket run/numbering.sock \\
  --out answer.jsonl --findings findings.csv
"""


@numbering.command("link", help=_LINK)
@click.argument("request", type=options.PATH, metavar="REQUEST")
@click.option(
    "--register",
    type=options.PATH,
    required=True,
    metavar="FILE",
    help="The resident register: CSV with resident_code,name,address,birth_date,sex.",
)
@click.option(
    "--socket",
    type=options.PATH,
    envvar="KAGIMORI_SOCKET",
    help="The socket of the authority's role (or set KAGIMORI_SOCKET).",
)
@click.option("--out", type=options.PATH, metavar="ANSWER", help="The answer, a new file.")
@click.option(
    "--findings",
    type=options.PATH,
    metavar="FILE",
    help="A table for the authority's own clerk: who was left in doubt, by line of the register, and what differs.",
)
@click.option("--purpose", default="linking", show_default=True, help="One of the purposes of your role.")
@click.option("--dry-run", is_flag=True, help="Match only, and count: no number is asked for, and no daemon needed.")
@options.as_json
def link(
    request: Path,
    register: Path,
    socket: Path | None,
    out: Path | None,
    findings: Path | None,
    purpose: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Answer a request."""
    from appliance.linking import numbering as work  # noqa: PLC0415 -- `--help` need not wait for matching
    from appliance.linking import result  # noqa: PLC0415

    job = work.Job(request=request, register=register, findings=findings)
    with stopped_by_sigterm():
        if dry_run:
            done = work.look(job)
        elif socket is None or out is None:
            raise click.UsageError("--socket and --out are needed, or --dry-run")
        else:
            done = work.carry_out(job, socket, purpose, out)
    options.show(as_json, done, result.text)
