"""``python -m appliance.audit.tagindex``: started by the daemon when large runs are to be made, never by hand."""

from __future__ import annotations

import argparse
import signal
import socket
from contextlib import suppress
from pathlib import Path

from appliance.audit.tagindex import background
from appliance.hardening import end_with_parent, forbid_reading, tell_no_exception_text
from appliance.memory import keep_freed_memory


def main() -> None:
    """Serve the daemon until it closes the connection."""
    parser = argparse.ArgumentParser(prog="appliance.audit.tagindex", description="Started by `appliance serve`.")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--fd", type=int, required=True, help="The inherited connection.")
    given = parser.parse_args()
    tell_no_exception_text()
    forbid_reading()  # it is lent people's tags
    end_with_parent()
    background.give_way()
    keep_freed_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the daemon as well, which then ends this
    from appliance.audit.tagindex.worker import Worker  # noqa: PLC0415 -- after hardening

    with socket.socket(fileno=given.fd) as connection, suppress(ConnectionError):
        Worker(given.folder).serve(connection)


if __name__ == "__main__":
    main()
