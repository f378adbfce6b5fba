"""The two web servers of the demo, the citizens' portal and oversight's desk: configured, started, stopped."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from layout import APPLIANCE, CARD, PROJECT, DemoError, Layout, Tools
from running import command_line

from appliance.configuration import load
from appliance.ledger import chain, files, servicekeys
from appliance.tlog import checkpoint

START_SECONDS = 30.0
STOP_SECONDS = 15.0
PORTS = {"portal": 8741, "desk": 8742}


def log_keys(layout: Layout) -> list[str]:
    """The verifier keys of the appliance's log, from its ledger."""
    config = load(layout.config)
    state = chain.verify(files.read(config.ledger.directory), config.ledger.trust_anchor)
    return [str(checkpoint.key(config.origin, raw)) for raw in servicekeys.log_keys(state).values()]


def witness_keys(layout: Layout) -> list[str]:
    """The verifier keys that the oversight body publishes."""
    return (layout.witness / "vkeys").read_text(encoding="utf-8").split()


def configure(layout: Layout, tools: Tools) -> dict[str, str]:
    """Write ``portal.toml`` and ``desk.toml``, with a port for each; where browsers find them."""
    origins = {name: f"http://127.0.0.1:{_free(port)}" for name, port in PORTS.items()}
    _write(layout.web / "portal.toml", _portal(layout, tools, origins["portal"]))
    _write(layout.web / "desk.toml", _desk(layout, origins["desk"]))
    return origins


def _portal(layout: Layout, tools: Tools, origin: str) -> str:
    return f"""# The demo's portal (docs/portal.md); paths are relative to this file
{_listen(origin)}
[appliance]
socket = "{layout.socket("portal")}"

[log]
keys = {json.dumps(log_keys(layout))}
witnesses = {json.dumps(witness_keys(layout))}

[cards]
authorities = ["authority.pem"]
crls = ["revoked.crl"]
holders = "holders.sqlite"
module = "{tools.module}"
label = "{CARD}"

[files]
journal = "sign-ins.jsonl"
marks = "marks.sqlite"

[page]
contact = {{ ja = "情報連携相談窓口（見本）", en = "Linkage helpdesk (a sample)" }}

[purposes]
premium-check = {{ ja = "保険料の算定", en = "assessment of a premium" }}
licence-check = {{ ja = "資格の証明", en = "proof of a licence" }}
self-check = {{ ja = "番号の検算", en = "check of numbers" }}
re-keying = {{ ja = "鍵の更新にともなう番号の付け替え", en = "re-keying of numbers" }}
"""


def _desk(layout: Layout, origin: str) -> str:
    return f"""# The demo's desk (docs/desk.md)
{_listen(origin)}
[log]
socket = "{layout.socket("oversight")}"
trust_anchor = "{load(layout.config).ledger.trust_anchor}"
directory = "desk"
every_seconds = 1

[ceremony]
config = "{layout.config}"
people = ["oversight-1"]

[access]
key_file = "desk.key"
"""


def _listen(origin: str) -> str:
    return f"""[listen]
origin = "{origin}"
host = "127.0.0.1"
port = {origin.rpartition(":")[2]}
"""


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)


def _free(port: int) -> int:
    """That port, or another one if somebody has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(layout: Layout, *names: str) -> Iterator[None]:
    """``appliance NAME serve`` for each, from here to the end of the block.

    Raises:
        DemoError: one does not start.
    """
    with contextlib.ExitStack() as stack:
        for name in names:
            process = stack.enter_context(_process(layout, name))
            _await(layout, name, process)
        yield


@contextmanager
def _process(layout: Layout, name: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [*command_line("appliance"), name, "serve", "--config", str(layout.web / f"{name}.toml")]
    with _log(layout, name).open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env=layout.environment(APPLIANCE),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(layout: Layout, name: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while b"listening on" not in _log(layout, name).read_bytes():
        if process.poll() is not None or time.monotonic() > until:
            raise DemoError(f"the {name} does not start", f"why is in {_log(layout, name)}")
        time.sleep(0.02)


def _log(layout: Layout, name: str) -> Path:
    return layout.web / f"{name}.log"
