"""A real daemon for tests: started, asked over its sockets, looked into, killed."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from appliance.ledger.actions import DomainSpec
from appliance.ledger.policy import Policy, RoleRule
from tests.world import World, build_world, default_policy

START_SECONDS = 30.0
JSON = {"Content-Type": "application/json"}
TEXT = {"Content-Type": "text/plain"}
READABLE = (
    "-c",
    "from appliance import hardening; hardening.forbid_reading = lambda: None; from appliance.cli import main; main()",
)
"""A daemon whose memory its own user may read, so that tests can look into it without being root."""


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The problem's code; the answer must be a problem document."""
        assert self.headers["content-type"] == "application/problem+json", self
        said = self.json
        assert said["type"] == f"urn:kagimori:problem:{said['code']}"
        assert said["status"] == self.status
        assert said["title"] and said["detail"]
        return str(said["code"])


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float = 20.0) -> None:
        super().__init__("kagimori", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Daemon:
    """``appliance serve`` in a process of its own; a context manager that starts and stops it."""

    def __init__(self, world: World, *, program: Sequence[str] = ("-m", "appliance.cli")) -> None:
        self.world = world
        self._program = program
        self._log = world.folder / "daemon.log"
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self) -> Self:
        """Start it; do not wait."""
        self._connections: dict[str, UnixConnection] = {}
        with self._log.open("wb") as log:
            command = [sys.executable, *self._program, "serve", "--config", str(self.world.config)]
            self.process = subprocess.Popen(command, env=self.world.env, stdout=log, stderr=log)
        return self

    def start(self) -> Self:
        """Start it and wait until it listens."""
        self.launch()
        wait_for(lambda: " ready " in self.log or self._process.poll() is not None, START_SECONDS)
        assert self._process.poll() is None, self.log
        return self

    @property
    def _process(self) -> subprocess.Popen[bytes]:
        assert self.process is not None
        return self.process

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8")

    @property
    def pid(self) -> int:
        return self._process.pid

    def engines(self) -> list[int]:
        """The engines' process ids."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text("ascii")
        return [int(word) for word in children.split()]

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float = START_SECONDS) -> int:
        """Wait for its end; the exit code."""
        return self._process.wait(seconds)

    def stop(self) -> int:
        """SIGTERM and wait."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def __enter__(self) -> Self:
        return self if self.process is not None else self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for connection in self._connections.values():
            connection.close()
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(START_SECONDS)
            finally:
                self._process.kill()
                self._process.wait()

    def ask(
        self, role: str, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """One request on a connection of its own."""
        with contextlib.closing(UnixConnection(self.world.socket(role))) as connection:
            connection.request(method, path, body, dict(headers or {}))
            with connection.getresponse() as response:
                lower = {name.lower(): text for name, text in response.getheaders()}
                return Reply(response.status, lower, response.read())

    def convert(self, source: str, target: str, numbers: Sequence[str], *, role: str = "hub", **terms: Any) -> Reply:
        """The JSON form; ``terms`` replace the usual purpose and reference or add fields."""
        question = {"source": source, "target": target, "purpose": PURPOSE.get(role, ""), "reference": "a test"}
        body = json.dumps({**question, "numbers": list(numbers), **terms}).encode()
        return self.ask(role, "POST", "/v1/convert", body, JSON)

    def numbers(self, source: str, target: str, numbers: Sequence[str], *, role: str = "hub") -> list[str]:
        """The converted numbers; all must be converted."""
        reply = self.convert(source, target, numbers, role=role)
        assert reply.status == 200, reply
        return [result["number"] for result in reply.json["results"]]

    def stream(self, source: str, target: str, lines: bytes, *, role: str = "hub", purpose: str = "") -> Reply:
        """The streamed form, with a body of known length."""
        return self.ask(role, "POST", stream_path(source, target, purpose or PURPOSE[role]), lines, TEXT)

    def reload(self, sequence: int) -> None:
        """SIGHUP, and wait until that entry of the ledger is in force."""
        self.signal(signal.SIGHUP)
        wait_for(lambda: f" ledger loaded sequence={sequence} " in self.log, START_SECONDS)
        wait_for(lambda: self.records()[-1].get("sequence") == sequence and kinds(self)[-1] == "ledger_loaded")

    def records(self) -> list[dict[str, Any]]:
        """The audit records on the disk, whole ones only."""
        return [json.loads(entry) for entry in stored_entries(self.world.audit_directory)]


def stored_entries(directory: Path) -> list[bytes]:
    """The entries in the segments of an audit log: u16 length, u32 bytes of tags, entry, tags; a torn end left out."""
    found = []
    for path in sorted((directory / "entries").iterdir()):
        data, at = path.read_bytes(), 0
        while at + 6 <= len(data):
            length, tags = struct.unpack_from("!HI", data, at)
            end = at + 6 + length + tags
            if end > len(data):
                break
            found.append(data[at + 6 : at + 6 + length])
            at = end
    return found


def stream_path(source: str, target: str, purpose: str, reference: str = "a-test") -> str:
    return f"/v1/convert?source={source}&target={target}&purpose={purpose}&reference={reference}"


def wait_for(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Until the condition holds; fails when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def codes(count: int, start: int = 0) -> list[str]:
    """Resident codes, all different."""
    return [f"{(start + number) * 7_919 % 10**11:011d}" for number in range(count)]


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def resident_kilobytes(pid: int) -> int:
    """The process's resident memory now."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


# --- a world with a role for every limit and a key in every state ---------------------------------

PURPOSE = {
    "hub": "exchange",
    "numbering": "linking",
    "narrow": "exchange",
    "slow": "exchange",
    "trickle": "exchange",
    "portal": "none",
}
MADE = ("common", "spin", "sspin.A", "sspin.B", "sspin.C", "sspin.D", "sspin.E")


def rich_policy(domains: Sequence[DomainSpec]) -> Policy:
    """The default policy, a hub that may re-key, and roles with tight limits."""
    roles = dict(default_policy(domains).roles)
    hub = roles["hub"]
    roles["hub"] = RoleRule(
        pairs=(*hub.pairs, ("sspin.D", "sspin.D"), ("sspin.C", "sspin.C")),
        purposes=hub.purposes,
        values_per_request=10_000,
        values_per_stream=100_000_000,
        values_per_minute=1_000_000_000,
    )
    roles["narrow"] = RoleRule(
        pairs=(("sspin.A", "sspin.B"),),
        purposes=("exchange",),
        values_per_request=5,
        values_per_stream=0,
        values_per_minute=6,
    )
    roles["slow"] = RoleRule(
        pairs=(("sspin.A", "sspin.B"),),
        purposes=("exchange",),
        values_per_request=5,
        values_per_stream=60,
        values_per_minute=600,
    )
    roles["trickle"] = RoleRule(
        pairs=(("sspin.A", "sspin.B"),),
        purposes=("exchange",),
        values_per_request=5,
        values_per_stream=10_000,
        values_per_minute=600,
    )
    roles["short"] = RoleRule(
        pairs=(("sspin.A", "sspin.B"),),
        purposes=("exchange",),
        values_per_request=5,
        values_per_stream=20_000,
        values_per_minute=1_000_000_000,
    )
    return Policy(roles=roles)


def rich_world(folder: Path) -> World:
    """sspin.F has no key; sspin.C.2 is only generated; sspin.D.1 is decrypt-only, sspin.D.2 current."""
    from keyceremony.plans import setup_file

    domains = setup_file.default_specs()
    world = build_world(folder, domains=domains, policy=rich_policy(domains), keys=MADE)
    world.ceremony(["generate sspin.C", "generate sspin.D", "activate sspin.D.2", "restrict sspin.D.1"], "More keys")
    return world


def copy_world(world: World, folder: Path) -> World:
    """The same world at another place, far quicker than making one: tokens, ledger and all."""
    shutil.copytree(world.folder, folder)
    configuration = folder / "softhsm2.conf"
    text = configuration.read_text("utf-8").replace(str(world.folder), str(folder))
    configuration.write_text(text, "utf-8")
    return replace(world, folder=folder)


def edit_config(world: World, text: str) -> None:
    """Add text at the end of the configuration."""
    world.config.write_text(world.config.read_text("utf-8") + text, "utf-8")


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """SIGSTOP for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


HELD_DISK = """
import os, time
sync = os.fdatasync
def held(descriptor):
    while os.path.exists({hold!r}):
        time.sleep(0.005)
    sync(descriptor)
os.fdatasync = held
from appliance.daemon import serve
serve.STREAM_GRACE_SECONDS, serve.GRACE_SECONDS = {grace}
from appliance.cli import main
main()
"""


class HeldDisk:
    """A daemon whose disk stops when told to."""

    def __init__(self, world: World, grace: tuple[float, float] = (8.0, 10.0)) -> None:
        self._file = world.folder / "hold"
        self.daemon = Daemon(world, program=("-c", HELD_DISK.format(hold=str(self._file), grace=grace)))

    def hold(self) -> None:
        self._file.touch()

    def release(self) -> None:
        self._file.unlink()


class Asking(threading.Thread):
    """A request under way; ``reply`` when it is answered."""

    def __init__(self, daemon: Daemon, *numbers: str) -> None:
        super().__init__(daemon=True)
        self._ask = lambda: daemon.convert("sspin.A", "sspin.B", numbers)
        self.reply: Reply | None = None
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.reply = self._ask()
        except Exception as error:
            self.error = error


def kinds(daemon: Daemon) -> list[str]:
    return [record["kind"] for record in daemon.records()]
