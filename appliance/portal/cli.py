"""``appliance portal``: serve the citizens' pages; check what they gave out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from appliance.portal import check_command

_HELP = """The citizens' portal: who converted my number, when and for what.

\b
serve  run the portal
check  check the proofs in a file that the portal gave out

Step by step: docs/portal.md
"""


@click.group("portal", help=_HELP)
def portal() -> None:
    """All commands."""


@portal.command()
@click.option(
    "--config", type=click.Path(path_type=Path), required=True, help="The portal's own file (docs/portal.md)."
)
def serve(config: Path) -> None:
    """Run the portal in the foreground until SIGTERM or Ctrl-C. Its log goes to stderr."""
    from appliance.portal.serve import serve as run_portal  # noqa: PLC0415 -- checking needs no server

    asyncio.run(run_portal(config))


portal.add_command(check_command.command)
