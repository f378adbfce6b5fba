"""``python -m appliance.engine``: started by the daemon's supervisor or by systemd, never by hand."""

from __future__ import annotations

import argparse
import socket
import sys
from pathlib import Path

from appliance.engine.hardening import harden
from appliance.errors import KagimoriError
from appliance.memory import keep_freed_memory
from appliance.systemd import Manager


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="appliance.engine", description="Started by `appliance serve` or systemd.")
    parser.add_argument("--config", type=Path, required=True)
    started = parser.add_mutually_exclusive_group(required=True)
    started.add_argument("--fd", type=int, help="The inherited connection.")
    started.add_argument("--service", action="store_true", help="Take the connection that systemd accepted.")
    parser.add_argument("--token", type=int, default=0)
    return parser.parse_args()


def _main(arguments: argparse.Namespace) -> int:
    from appliance.engine import process, service  # noqa: PLC0415 -- after hardening: this loads the token's library

    if not arguments.service:
        return process.main(arguments.config, socket.socket(fileno=arguments.fd), arguments.token)
    try:
        connection = service.connection()
    except KagimoriError as error:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
        return error.exit_code
    return process.main(arguments.config, connection, arguments.token, Manager.take())


if __name__ == "__main__":
    chosen = _arguments()
    harden(service=chosen.service)
    keep_freed_memory()
    sys.exit(_main(chosen))
