"""Do interactive requests stay quick beside a bulk stream, and how much of its speed does the stream keep?

Requests for one number each come at a given pace, at random moments (Poisson), over 32 connections: callers who do
not wait for one another. A latency counts from the moment when the request was due if no connection was free then, so
that a slow answer does not hide what it held up; else from when it was sent. The stream alone, requests alone, and
both at once are measured in turns; load generator, stream client, daemon and engine share the machine's cores. In the
same turns a bare relay (`tests.bench.relay`) gets requests at the same pace, alone and beside the stream: the limit.
What the stream's client reads and writes is in memory, since a hub's own files are not on the appliance's disk.

By itself: ``python -m tests.bench.lanes`` prints the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import selectors
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench import load
from tests.bench.load import Load
from tests.bench.processes import daemon
from tests.bench.relay import REQUEST, TEXT, relay
from tests.bench.subject import Subject, subject
from tests.world import World, build_world

Figures = dict[str, Any]
CLIENTS = 32
PACES = (100, 500, 1_000)
WARM_SECONDS = 0.5  # a stream's start-up is not counted
PURPOSE = "exchange"
MEMORY = Path("/dev/shm")


class _Schedule:
    """Poisson moments, ``per_second`` of them, and those that have come and wait for a free connection."""

    def __init__(self, per_second: float, now: float) -> None:
        self.waiting: deque[float] = deque()
        self._per_second = per_second
        self.next = now

    def look(self, now: float) -> None:
        """Take in what has come due."""
        while self.next <= now:
            self.waiting.append(self.next)
            self.next += random.expovariate(self._per_second)


def paced(
    path: Path, pairs: Sequence[tuple[bytes, bytes]], clients: int, per_second: float, going: Callable[[], bool]
) -> Load:
    """Ask ``pairs`` (request, expected text in the answer) at a pace for as long as ``going()`` says."""
    free = deque(load._Caller(path) for _ in range(clients))
    every = tuple(free)
    latencies: list[float] = []
    asked = 0
    with selectors.SelectSelector() as selector:  # epoll would round waiting up to whole milliseconds
        for caller in every:
            selector.register(caller.socket, selectors.EVENT_READ, caller)
        begin = time.perf_counter()
        schedule = _Schedule(per_second, begin)
        while (more := going()) or len(free) < clients:
            if more:
                schedule.look(time.perf_counter())
            while more and free and schedule.waiting:
                due, caller = schedule.waiting.popleft(), free.popleft()
                held_up = not free or len(schedule.waiting) >= clients
                caller.ask(*pairs[asked % len(pairs)])
                caller.started = due if held_up else caller.started
                asked += 1
            rest = max(0.0, schedule.next - time.perf_counter()) if more else 1.0
            for key, _ in selector.select(min(rest, 0.05)):
                if key.data.finished():
                    latencies.append(time.perf_counter() - key.data.started)
                    free.append(key.data)
        seconds = time.perf_counter() - begin
    for caller in every:
        caller.socket.close()
    return Load(seconds, sorted(latencies))


class _Turn(NamedTuple):
    """One round: lines a second of the stream alone and beside requests; the loads of requests and relay by name."""

    whole: float
    kept: float
    loads: dict[str, Load]


class _Stream:
    """One bulk stream, file to file, by the hub kit's own client in a process of its own."""

    def __init__(self, world: World, ours: Subject, lines: int) -> None:
        self._ours = ours
        self._copies = -(-lines // ours.count)
        self._folder = tempfile.TemporaryDirectory(prefix="kagimori-lanes-", dir=MEMORY if MEMORY.is_dir() else None)
        self._source, self._target = (Path(self._folder.name) / name for name in ("in", "out"))
        with self._source.open("wb") as file:
            for _ in range(self._copies):
                file.write(ours.b_text)
        files = (str(self._source), str(self._target))
        self._command = [sys.executable, "-m", "tests.bench.streamer", str(world.hub_socket), *files, PURPOSE]

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)

    def finish(self, process: subprocess.Popen[str]) -> float:
        """Lines a second; every answer is looked at."""
        said = json.loads(process.communicate()[0])
        with self._target.open("rb") as answers:
            if any(answers.read(len(self._ours.e_text)) != self._ours.e_text for _ in range(self._copies)):
                raise SystemExit("bench: the stream answered a wrong number")
        return float(said["lines"] / said["seconds"])

    def beside(self, path: Path, asked: Sequence[tuple[bytes, bytes]], pace: float) -> tuple[float, Load]:
        """The stream, with requests at a pace for as long as it runs: its lines a second, and theirs."""
        process = self.start()
        time.sleep(WARM_SECONDS)
        seen = paced(path, asked, CLIENTS, pace, lambda: process.poll() is None)
        return self.finish(process), seen

    def remove(self) -> None:
        self._folder.cleanup()


def _for(seconds: float) -> Callable[[], bool]:
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() < end


def measure_lanes(
    world: World,
    ours: Subject,
    *,
    seconds: float,
    lines: int,
    rounds: int,
    tick: Callable[[], None],
    paces: Sequence[int] = PACES,
) -> Figures:
    """Figures for each pace. A daemon must be serving ``world``.

    Args:
        world: whose hub socket is asked.
        ours: numbers that exist.
        seconds: length of each run of requests alone; beside a stream, they run as long as the stream does.
        lines: length of the stream.
        rounds: how often each measure takes its turn; medians of the rounds are given.
        tick: called after each round of a pace.
        paces: requests a second.

    Returns:
        ``clients``, ``stream_per_second`` (alone), and ``paces``: for each pace ``requests_per_second`` (asked for),
        ``alone_p50_ms`` …, ``beside_p99_ms``, ``beside_served_per_second``, ``stream_beside_per_second``,
        ``stream_kept`` (its share of its own speed alone, median of the rounds' ratios); ``relay_alone_p50_ms`` …,
        ``relay_beside_p99_ms`` of the bare relay.
    """
    asked = [
        (load.request_bytes("sspin.B", "sspin.E", PURPOSE, b.decode()), e)
        for b, e in zip(ours.b_text.split()[:2000], ours.e_text.split()[:2000], strict=True)
    ]
    stream, alone_all, rows = _Stream(world, ours, lines), [], []
    with relay(world.folder) as bare:
        for pace in paces:
            seen: list[_Turn] = []
            for _ in range(rounds):
                whole = stream.finish(stream.start())
                alone = paced(world.hub_socket, asked, CLIENTS, pace, _for(seconds))
                kept, beside = stream.beside(world.hub_socket, asked, pace)
                relay_alone = paced(bare, [(REQUEST, TEXT)], CLIENTS, pace, _for(seconds))
                _, relay_beside = stream.beside(bare, [(REQUEST, TEXT)], pace)
                loads = {"alone": alone, "beside": beside, "relay_alone": relay_alone, "relay_beside": relay_beside}
                seen.append(_Turn(whole, kept, loads))
                tick()
            alone_all += [turn.whole for turn in seen]
            rows.append(_row(pace, seen))
    stream.remove()
    return {"clients": CLIENTS, "stream_per_second": statistics.median(alone_all), "paces": rows}


def _row(pace: int, seen: Sequence[_Turn]) -> Figures:
    row: Figures = {"requests_per_second": pace}
    for name in seen[0].loads:
        loads = [turn.loads[name] for turn in seen]
        for percent in (50, 99):
            row[f"{name}_p{percent}_ms"] = 1e3 * statistics.median(run.percentile(percent) for run in loads)
        row[f"{name}_served_per_second"] = statistics.median(run.per_second for run in loads)
    row["stream_beside_per_second"] = statistics.median(turn.kept for turn in seen)
    row["stream_kept"] = statistics.median(turn.kept / turn.whole for turn in seen)
    return row


def main() -> None:
    """Measure in a world of its own, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.lanes", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--lines", type=int, default=5_000_000)
    parser.add_argument("--paces", type=int, nargs="*", default=PACES)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kagimori-lanes-") as folder:
        world = build_world(Path(folder) / "w")
        os.environ["SOFTHSM2_CONF"] = world.env["SOFTHSM2_CONF"]
        log = world.folder / "daemon.log"
        with subject(world) as ours, daemon(world.config, world.hub_socket, world.environment, log):
            options: Figures = {"seconds": given.seconds, "lines": given.lines, "rounds": given.rounds}
            figures = measure_lanes(world, ours, tick=lambda: None, paces=given.paces, **options)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
