"""What the audit log costs: the same daemon whole, without subject tags, and without any record, in turns."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.bench import load
from tests.bench.processes import daemon
from tests.bench.subject import Subject
from tests.bench.variants import NAMES
from tests.daemonkit import copy_world
from tests.world import World

Figures = dict[str, Any]
CLIENTS = 32


def copies(world: World) -> dict[str, World]:
    """A world for each variant, to be made before any daemon runs in the first one."""
    return {name: copy_world(world, world.folder.with_name(f"{world.folder.name}-{name}")) for name in NAMES}


def measure_audit(
    worlds: dict[str, World],
    ours: Subject,
    purpose: str,
    *,
    lines: int,
    seconds: float,
    rounds: int,
    tick: Callable[[], None],
) -> Figures:
    """Requests a second of 32 clients, and lines a second of a stream, for each variant."""
    asked = [
        (load.request_bytes("sspin.B", "sspin.E", purpose, b.decode()), e)
        for b, e in zip(ours.b_text.split()[:2000], ours.e_text.split()[:2000], strict=True)
    ]
    requests: dict[str, list[float]] = {name: [] for name in NAMES}
    numbers: dict[str, list[float]] = {name: [] for name in NAMES}
    with ExitStack() as running:
        for name, own in worlds.items():
            program = ("-m", "tests.bench.variants", name)
            log = own.folder / "daemon.log"
            running.enter_context(daemon(own.config, own.hub_socket, own.environment, log, program))
        for _ in range(rounds):
            for name, own in worlds.items():
                requests[name].append(load.run(own.hub_socket, asked, CLIENTS, seconds).per_second)
                numbers[name].append(_stream(own, ours, purpose, lines))
            tick()
    return {
        "requests_per_second": {name: statistics.median(seen) for name, seen in requests.items()},
        "numbers_per_second": {name: statistics.median(seen) for name, seen in numbers.items()},
        "requests_on_over_off": _ratio(requests, "untagged", "off"),
        "requests_whole_over_untagged": _ratio(requests, "whole", "untagged"),
        "numbers_on_over_off": _ratio(numbers, "untagged", "off"),
        "numbers_whole_over_untagged": _ratio(numbers, "whole", "untagged"),
    }


def _stream(world: World, ours: Subject, purpose: str, lines: int) -> float:
    source, target = world.folder / "stream.in", world.folder / "stream.out"
    if not source.exists():
        with source.open("wb") as file:
            for _ in range(-(-lines // ours.count)):
                file.write(ours.b_text)
    command = [sys.executable, "-m", "tests.bench.streamer", str(world.hub_socket), str(source), str(target), purpose]
    done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    _check(target, ours.e_text)
    return float(done["lines"] / done["seconds"])


def _check(answers: Path, expected: bytes) -> None:
    with answers.open("rb") as file:
        if file.read(len(expected)) != expected:
            raise SystemExit("bench: the stream answered a wrong number")


def _ratio(seen: dict[str, list[float]], over: str, under: str) -> float:
    return statistics.median(a / b for a, b in zip(seen[over], seen[under], strict=True))
