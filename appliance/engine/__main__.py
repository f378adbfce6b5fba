"""``python -m appliance.engine``: started by the daemon's supervisor, never by hand."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from appliance.engine.hardening import harden
from appliance.memory import keep_freed_memory


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="appliance.engine", description="Started by `appliance serve`.")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--token", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    harden()
    keep_freed_memory()
    arguments = _arguments()
    from appliance.engine.process import main  # after hardening: this loads the token module's library

    sys.exit(main(arguments.config, arguments.fd, arguments.token))
