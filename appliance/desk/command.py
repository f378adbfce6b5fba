"""``appliance desk serve``: the desk in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

from pathlib import Path

import click

_HELP = """Oversight's desk: web pages for the oversight body, on a socket of their own, that change nothing.

\b
serve   follow a daemon's log, and show it

Step by step: docs/desk.md
"""


@click.group("desk", help=_HELP)
def desk() -> None:
    """All commands."""


@desk.command("serve")
@click.option("--config", type=click.Path(path_type=Path), required=True, help="The desk's settings (docs/desk.md).")
def serve(config: Path) -> None:
    """Follow the log and show it in the foreground until SIGTERM or Ctrl-C. What happens is said on stderr."""
    from appliance.desk.serve import serve as run_desk  # noqa: PLC0415 -- no other command needs pages and report

    run_desk(config)
