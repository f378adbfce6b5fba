"""How fast a stream through the socket is, as text, audit on, beside the token's limit in the same rounds."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.bench.engine import GROUP, TOKEN, token_of
from tests.bench.figures import Figure, Limit, Measured, at_least, at_most
from tests.bench.processes import children, peak_megabytes
from tests.bench.setting import PURPOSE, Setting, middle, ratio
from tests.bench.subject import Subject
from tests.world import World

LONG = 10  # times the usual one
MEGABYTES = 200


def measure(setting: Setting, daemon_pid: int) -> Measured:
    """Two streams; and the peak memory of all that took part, from the daemon's start to now."""
    short, _ = _figure("stream", setting, setting.effort.lines, setting.effort.rounds)
    long, client = _figure("long_stream", setting, setting.effort.lines * LONG, 1)
    memory = {"daemon": peak_megabytes(daemon_pid), "client": client}
    engines, index = children(daemon_pid, "appliance.engine"), children(daemon_pid, "appliance.audit.tagindex")
    memory |= {f"engine {number}": peak_megabytes(pid) for number, pid in enumerate(engines, 1)}
    if index:  # it is there once a large run was made
        memory["index"] = peak_megabytes(index[0])
    return Measured([short, long, *(_memory(name, seen) for name, seen in memory.items())])


def _figure(name: str, setting: Setting, lines: int, rounds: int) -> tuple[Figure, float]:
    """The figure, and the client's peak memory in MB."""
    files = Files(setting.world, setting.ours, lines)
    said: list[dict[str, Any]] = []

    def stream() -> float:
        said.append(files.stream(setting.world))
        return float(said[-1]["lines"] / said[-1]["seconds"])

    seen = setting.in_turns({"token": token_of(setting), "stream": stream}, rounds)
    files.remove()
    what = f"through the socket as text, audit on, {files.lines:,} lines"
    limit = Limit(TOKEN, middle(seen, "token"))
    figure = Figure(name, GROUP, what, middle(seen, "stream"), "/s", limit, ratio(seen, "stream", "token"))
    return replace(figure, goal=at_least(0.3)), max(one["megabytes"] for one in said)


def _memory(name: str, megabytes: float) -> Figure:
    return Figure(f"peak_{name.replace(' ', '_')}", "memory", name, megabytes, "MB", goal=at_most(MEGABYTES, "value"))


class Files:
    """What a stream reads, and what it answers, beside the world."""

    def __init__(self, world: World, ours: Subject, lines: int) -> None:
        self._ours, self._copies = ours, -(-lines // ours.count)
        self.lines = self._copies * ours.count
        self._source, self._target = world.folder / "stream.in", world.folder / "stream.out"
        with self._source.open("wb") as file:
            for _ in range(self._copies):
                file.write(ours.b_text)

    def stream(self, world: World) -> dict[str, Any]:
        """One stream by the hub kit's client in a process of its own: lines, seconds, megabytes."""
        files = (str(self._source), str(self._target))
        command = [sys.executable, "-m", "tests.bench.streamer", str(world.hub_socket), *files, PURPOSE]
        done: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        self._check(self._target)
        return done

    def _check(self, answers: Path) -> None:
        with answers.open("rb") as file:
            if any(file.read(len(self._ours.e_text)) != self._ours.e_text for _ in range(self._copies)):
                raise SystemExit("bench: the stream answered a wrong number")

    def remove(self) -> None:
        """Away with both."""
        self._source.unlink()
        self._target.unlink()
