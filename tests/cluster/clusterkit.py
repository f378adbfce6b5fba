"""A real cluster for tests: scheduler and two workers as processes of their own, each worker beside its own appliance.

The two appliances are independent: copies of one ledger, each with a token of its own (the second one's is a clone),
an own log and own sockets.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import pandas as pd

from appliance.hubkit import Client
from tests.clonekit import CloneWorld, clone_world
from tests.daemonkit import Daemon, copy_world
from tests.world import PROJECT, TOKEN_LABEL, World

TAG = 16  # bytes of a subject tag
TOLD = {"malformed": "malformed_number", "nobody's": "unknown_number"}


# --- two appliances -----------------------------------------------------------------------------


def two_appliances(folder: Path) -> tuple[CloneWorld, World]:
    """The main appliance, and one whose token is a clone and whose log is called ``osaka``."""
    main = clone_world(folder / "main", 1, ("osaka",), keys=("common", "spin", "sspin.B", "sspin.E"))
    osaka = copy_world(main, folder / "osaka")
    text = osaka.config.read_text(encoding="utf-8")
    token = f'label = "{TOKEN_LABEL}"\npin_file = "pin"'
    assert token in text
    text = text.replace(token, 'label = "clone-1"\npin_file = "pins/clone-1.pin"')
    osaka.config.write_text(
        text.replace('directory = "audit"', 'directory = "audit"\nname = "osaka"'), encoding="utf-8"
    )
    for world in (main, osaka):
        _keep_one_token(world, main.clones[0].serial, keep=world is osaka)
    return main, osaka


def _keep_one_token(world: World, serial: str, *, keep: bool) -> None:
    """Take the clone out of the main one's token store, or everything else out of the clone's."""
    for token in (world.folder / "tokens").iterdir():
        if token.name.replace("-", "").endswith(serial) != keep:
            shutil.rmtree(token)


def kill(daemon: Daemon) -> None:
    """SIGKILL to an appliance: its engines and its daemon."""
    assert daemon.process is not None
    for pid in (*daemon.engines(), daemon.pid):
        os.kill(pid, signal.SIGKILL)
    daemon.process.wait()


# --- what their logs hold -----------------------------------------------------------------------


@dataclass
class Recorded:
    """The conversion records with one reference in some logs. ``people``: their distinct subject tags."""

    asked: int = 0
    converted: int = 0
    people: set[bytes] = field(default_factory=set)

    def add(self, directory: Path, reference: str) -> Recorded:
        """Count those of one log."""
        for entry, tags in _entries(directory):
            record = json.loads(entry)
            if record["kind"] == "conversion" and record["reference"] == reference:
                self.asked += record["count"]
                self.converted += record["converted"]
                self.people.update(tags[at : at + TAG] for at in range(0, len(tags), TAG))
        return self


def _entries(directory: Path) -> Iterator[tuple[bytes, bytes]]:
    for path in sorted((directory / "entries").iterdir()):
        data, at = path.read_bytes(), 0
        while at + 6 <= len(data):
            length, tags = struct.unpack_from("!HI", data, at)
            middle = at + 6 + length
            yield data[at + 6 : middle], data[middle : middle + tags]
            at = middle + tags


def recorded(worlds: Sequence[World], reference: str) -> Recorded:
    """What the logs hold together."""
    found = Recorded()
    for world in worlds:
        found.add(world.audit_directory, reference)
    return found


def verify_log(world: World, anchor: str, folder: Path) -> dict[str, str]:
    """Export the log through its socket and verify the copy, as the oversight body does; what its checkpoint says."""
    socket = str(world.socket("oversight"))
    for command in (
        ["export", str(folder), "--socket", socket, "--anchor", anchor],
        ["verify", str(folder), "--anchor", anchor, "--jobs", "1", "--json"],
    ):
        call = [sys.executable, "-m", "appliance.cli", "oversight", *command]
        done = subprocess.run(call, env=world.env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, str] = json.loads(done.stdout)["checkpoint"]
    return found


# --- data whose conversion is known ----------------------------------------------------------------


def write_people(folder: Path, hub: World, count: int, partitions: int) -> None:
    """Numbers of sector B in Parquet files, and beside each what must come out: the number of E, or the code.

    Both were made from the resident code, on the main appliance. Some cells are empty, malformed or nobody's.
    """
    codes = "".join(f"{number * 7_919 % 10**11:011d}\n" for number in range(count)).encode()
    with Client(hub.socket("numbering")) as client:
        made = {name: _numbers(client, codes, name) for name in ("sspin.B", "sspin.E")}
    frame = pd.DataFrame({"row": range(count), "number": made["sspin.B"], "truth": made["sspin.E"], "error": None})
    for place, cell in enumerate((None, *TOLD)):
        frame.loc[frame.row % 997 == place, ["truth", "number"]] = None, cell
        frame.loc[frame.row % 997 == place, "error"] = TOLD.get(cell or "")
    frame.loc[frame.number == "nobody's", "number"] = "ZZZZZZZZZZZ"
    folder.mkdir()
    size = -(-count // partitions)
    for part in range(partitions):
        piece = frame.iloc[part * size : (part + 1) * size].astype({"number": "str", "truth": "str", "error": "str"})
        piece.to_parquet(folder / f"people-{part:03d}.parquet", index=False)


def _numbers(client: Client, codes: bytes, target: str) -> list[str]:
    with client.convert_stream("resident", target, BytesIO(codes), purpose="linking", reference="making") as stream:
        return b"".join(stream.blocks()).decode("ascii").splitlines()


def check_right(folder: Path, count: int) -> None:
    """Every row is there once, with the known answer."""
    got = pd.read_parquet(folder).sort_values("row", ignore_index=True)
    assert got["row"].tolist() == list(range(count))
    for found, known in (("number", "truth"), ("number_error", "error")):
        same = (got[found].isna() & got[known].isna()) | (got[found].astype("str") == got[known].astype("str"))
        assert same.fillna(False).all(), got[["row", found, known]][~same.fillna(False)]


# --- the cluster ----------------------------------------------------------------------------------


@dataclass
class Cluster:
    """Scheduler and workers. ``file`` tells a client how to reach it; ``logs`` what each worker said."""

    file: Path
    logs: list[Path]

    def said(self, worker: int) -> str:
        """A worker's log."""
        return self.logs[worker].read_text(encoding="utf-8")


SHOWN = re.compile(r"^```sh\n(dask scheduler .*)\n(KAGIMORI_SOCKET=\S+) (dask worker .*)\n```$", re.MULTILINE)
QUIET = ("--no-dashboard",)


@contextmanager
def cluster(folder: Path, worlds: Sequence[World]) -> Iterator[Cluster]:
    """A worker beside each appliance, started with the commands of docs/scale.md and a few options more."""
    shown = SHOWN.search((PROJECT / "docs" / "scale.md").read_text(encoding="utf-8"))
    assert shown is not None
    made = Cluster(folder / "cluster.json", [folder / f"worker-{number}.log" for number in range(len(worlds))])
    scheduler, worker = (shlex.split(shown[one].replace("cluster.json", str(made.file)))[1:] for one in (1, 3))
    with ExitStack() as stack:
        more = ["--host", "127.0.0.1", "--port", "0", *QUIET]
        stack.enter_context(_dask(folder / "scheduler.log", {}, *scheduler, *more))
        for number, world in enumerate(worlds):
            node = ["--name", f"node-{number}", "--local-directory", str(folder / f"node-{number}")]
            more = [*node, "--nthreads", "1", "--memory-limit", "0", *QUIET]
            environment = {shown[2].split("=")[0]: str(world.socket("hub"))}
            stack.enter_context(_dask(made.logs[number], environment, *worker, *more))
        yield made


@contextmanager
def _dask(log: Path, environment: dict[str, str], *arguments: str) -> Iterator[None]:
    """A Dask command while it is needed."""
    command = [sys.executable, "-m", "dask", *arguments]
    with log.open("wb") as out:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=out, stderr=out)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait()
