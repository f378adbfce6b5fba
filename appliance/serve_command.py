"""``appliance serve``: the daemon in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from appliance.daemon.serve import serve as run_daemon


@click.command()
@click.option(
    "--config", type=click.Path(path_type=Path), required=True, help="The configuration file (docs/configuration.md)."
)
def serve(config: Path) -> None:
    """Run the daemon in the foreground until SIGTERM or Ctrl-C; SIGHUP loads the ledger again.

    It listens only when ledger, token and every key have been checked. Its log goes to stderr.
    """
    asyncio.run(run_daemon(config))
