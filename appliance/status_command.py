"""``appliance status``: how is a running daemon?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from appliance.commandline import FAILED, as_json, role_socket
from appliance.hubkit.client import Client


@click.command()
@role_socket
@as_json
def status(socket_path: Path, as_json: bool) -> int:
    """Ask a running daemon how it is. The exit code is 1 when it could not convert now."""
    with Client(socket_path) as client:
        said = client.status()
    click.echo(json.dumps(said) if as_json else _status_text(said))
    return 0 if said["ready"] else FAILED


def _status_text(said: dict[str, Any]) -> str:
    ledger, engines, audit, token = said["ledger"], said["engines"], said["audit"], said["token"]
    serving = engines["serving"]
    lines = [
        "ready" if said["ready"] else f"not ready: {said['reason']}",
        f"role      {said['role']}",
        f"version   {said['version']}",
        f"ledger    entry {ledger['sequence']}, head {ledger['head']}{' (rehearsal)' if ledger['rehearsal'] else ''}",
        f"token     {token['label']}, serial {token['serial']}",
        f"engines   {len(serving)} of {engines['wanted']} serving, {sum(link['numbers'] for link in serving)} numbers",
        f"audit     {audit['records']} records{'' if audit['available'] else ', CANNOT BE WRITTEN'}",
    ]
    left = [(token["label"], token["left_out"]) for token in said["tokens"] if token["left_out"]]
    lines.extend(f"left out  {label} since {out['since']}: {out['reason']}" for label, out in left)
    return "\n".join(lines)
