"""Worlds, files and runs for tests of bulk jobs: two generations of sector C, a role that re-keys, the real command."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from appliance import cli
from appliance.hubkit.client import Client
from appliance.ledger.policy import Policy, RoleRule
from tests.daemonkit import Daemon, codes, wait_for
from tests.world import World, build_world, default_policy

OLD, NEW = "sspin.C.1", "sspin.C.2"
REKEY = {"purpose": "re-keying", "reference": "rotation-1"}
HUB = {"purpose": "exchange", "reference": "a job"}


def _role(pairs: Sequence[tuple[str, str]], purpose: str, per_stream: int = 10**8, per_minute: int = 10**9) -> RoleRule:
    return RoleRule(
        pairs=tuple(pairs),
        purposes=(purpose,),
        values_per_request=10_000,
        values_per_stream=per_stream,
        values_per_minute=per_minute,
    )


def bulk_world(folder: Path) -> World:
    """sspin.C.1 and .2 active, sspin.B; roles rekey, small (300 numbers a stream), nostream."""
    from keyceremony.plans import setup_file

    domains = setup_file.default_specs()
    roles = dict(default_policy(domains).roles)
    roles["rekey"] = _role([("sspin.C", "sspin.C")], "re-keying")
    roles["small"] = _role([("sspin.C", "sspin.C")], "re-keying", per_stream=300)
    roles["nostream"] = _role([("sspin.C", "sspin.C")], "re-keying", per_stream=0)
    world = build_world(folder, domains=domains, policy=Policy(roles=roles), keys=("spin", "sspin.B", "sspin.C"))
    world.ceremony(["generate sspin.C", "activate sspin.C.2"], "A second key for sector C")
    return world


@dataclass(frozen=True)
class Numbers:
    """The same people under several generations, in the same order."""

    b: tuple[str, ...]
    old: tuple[str, ...]
    new: tuple[str, ...]


def numbers_of(daemon: Daemon, count: int) -> Numbers:
    """Known numbers, made from resident codes by the daemon."""
    people = codes(count, start=7_000)
    found = []
    for target in ("sspin.B.1", OLD, NEW):
        why = {"purpose": "linking", "reference": "numbers for a test"}
        with Client(daemon.world.socket("numbering"), timeout=60) as client:
            answer = b"".join(client.convert_stream("resident", target, people, **why).blocks())
        found.append(tuple(answer.decode().split()))
    return Numbers(*found)


def table(numbers: Sequence[str], column: str = "number") -> bytes:
    """A CSV file of four columns, the numbers in the third, some cells quoted, with a comma or a line break in them."""
    rows = [f"id,name,{column},note"]
    for row, number in enumerate(numbers):
        name = f'"桜,{row}"' if row % 97 == 0 else f"name-{row}"
        note = '"two\nlines"' if row % 101 == 0 else f"{row % 7}"
        rows.append(f"{row},{name},{number},{note}")
    return ("\n".join(rows) + "\n").encode()


def column(data: bytes, name: str = "number") -> list[str]:
    """One column of a CSV file, as Python's own module reads it."""
    return [row[name] for row in csv.DictReader(io.StringIO(data.decode(), newline=""))]


@dataclass(frozen=True)
class Done:
    """How a run ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def arguments(what: str, source: Path, target: Path, at: Path, terms: Mapping[str, str], *more: str) -> list[str]:
    why = ["--purpose", terms["purpose"], "--reference", terms["reference"]]
    return [what, str(source), str(target), "--column", "number", "--socket", str(at), *why, *more]


def start(*command: str, program: Sequence[str] = ("-m", "appliance.cli"), **options: Any) -> subprocess.Popen[bytes]:
    """``appliance bulk …`` in a process of its own."""
    project = str(Path(__file__).resolve().parents[2])
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    env = {**os.environ, "PYTHONPATH": project}
    return subprocess.Popen([sys.executable, *program, "bulk", *command], env=env, **pipes)


def ended(process: subprocess.Popen[bytes], seconds: float = 60.0) -> Done:
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Done(process.returncode, (out or b"").decode(), (err or b"").decode())


def bulk(*command: str) -> Done:
    """Run ``appliance bulk …`` to its end, in this process."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = cli.run(["bulk", *command])
    return Done(code, out.getvalue(), err.getvalue())


def rows_done(output: Path) -> int:
    """Rows of the job's checkpoint."""
    try:
        return int(json.loads((output.with_name(output.name + ".job") / "checkpoint.json").read_bytes())["rows"])
    except (FileNotFoundError, json.JSONDecodeError):
        return 0


def kill_after(process: subprocess.Popen[bytes], output: Path, rows: int) -> None:
    """SIGKILL once so many rows are done."""
    wait_for(lambda: rows_done(output) >= rows or process.poll() is not None, 30)
    assert process.poll() is None, ended(process)
    time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def asked(daemon: Daemon, reference: str) -> Counter[tuple[str, str]]:
    """Numbers recorded in the daemon's log under a reference, by source and target."""
    counted: Counter[tuple[str, str]] = Counter()
    for record in daemon.records():
        if record["kind"] == "conversion" and record["reference"] == reference:
            counted[record["source"], record["target"]] += record["count"]
    return counted


class Between:
    """A socket between a job and a daemon; ``change`` makes another answer of each, or None: it is cut off.

    It is called with the request's first line and the whole answer's bytes.
    """

    def __init__(self, path: Path, behind: Path, change: Callable[[str, bytes], bytes | None]) -> None:
        self.path = path
        self._behind, self._change = behind, change
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        far = socket.socket(socket.AF_UNIX)
        with near, far:
            with contextlib.suppress(OSError):
                self._pass_on(near, far)
            with contextlib.suppress(OSError):
                near.shutdown(socket.SHUT_RDWR)  # closing alone would wait for the thread that reads from it

    def _pass_on(self, near: socket.socket, far: socket.socket) -> None:
        far.connect(str(self._behind))
        first = near.recv(65_536)
        far.sendall(first)
        threading.Thread(target=_copy, args=(near, far), daemon=True).start()
        line = first.split(b"\r\n", 1)[0].decode()
        if "/v1/convert" not in line:  # kept alive: passed on as it comes
            _copy(far, near)
            return
        answer = b"".join(iter(lambda: far.recv(65_536), b""))
        changed = self._change(line, answer)
        if changed is not None:
            near.sendall(changed)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
