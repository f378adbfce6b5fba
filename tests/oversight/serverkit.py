"""A daemon's log side for tests: what a folder holds, over HTTP on a Unix socket; cosignatures are taken in."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from appliance.oversight.copy import Copy
from appliance.oversight.errors import PieceMissing
from appliance.tlog import note as notes
from appliance.tlog.checkpoint import parse_text
from appliance.tlog.errors import TlogError
from appliance.tlog.tiles import parse_path

PREFIX = "/v1/log/"


class LogServer:
    """Serves the copy in ``folder``; change ``folder`` to serve another. ``handed_in``: the notes that came.

    ``gone``: paths answered with 410; ``before``: called with each path before it is answered.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        self.path = path
        self.folder = folder
        self.handed_in: list[bytes] = []
        self.gone: set[str] = set()
        self.refuse: tuple[int, str] | None = None
        self.asked: list[str] = []
        self.before: Callable[[str], None] = lambda path: None
        self._server = _Server(str(path), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def piece(self, path: str) -> bytes | None:
        """The bytes at a path below ``/v1/log/``, None: there is nothing."""
        copy = Copy(self.folder)
        try:
            if path == "checkpoint":
                return copy.checkpoint()
            if path == "cosigned":
                return copy.cosigned()
            if path == "ledger":
                return json.dumps({"files": sorted(copy.ledger())}).encode()
            if path.startswith("ledger/"):
                return copy.ledger().get(path.removeprefix("ledger/"))
            return copy.tile(parse_path(path))
        except (PieceMissing, TlogError):
            return None

    def __enter__(self) -> LogServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()
        self.path.unlink(missing_ok=True)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False


def _handler(log: LogServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.removeprefix(PREFIX)
            log.asked.append(path)
            log.before(path)
            if path in log.gone:
                self._problem(410, "gone")
                return
            data = log.piece(path)
            if data is None:
                self._problem(404, "not_found")
            else:
                self._answer(200, data, "application/octet-stream")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if log.refuse is not None:
                self._problem(*log.refuse)
                return
            log.handed_in.append(body)
            note = notes.parse(body)
            checkpoint = parse_text(note.text)
            names = sorted({line.name for line in note.signatures if line.name != checkpoint.origin})
            self._answer(200, json.dumps({"size": checkpoint.size, "accepted": names}).encode(), "application/json")

        def _problem(self, status: int, code: str) -> None:
            self._answer(status, json.dumps({"code": code, "detail": f"{code}."}).encode(), "application/problem+json")

        def _answer(self, status: int, data: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def address_string(self) -> str:
            return "unix"

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    return Handler
