"""What the audit log costs: the same daemon whole, without subject tags, and without any record, in turns."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from tests.bench import load
from tests.bench.figures import Figure, Limit, Measured, at_least
from tests.bench.processes import daemon
from tests.bench.setting import Setting, middle, ratio
from tests.bench.stream import Files
from tests.bench.variants import NAMES
from tests.daemonkit import copy_world
from tests.world import World

CLIENTS = 32
ROUNDS = 3
WORDS = {"off": "audit off", "untagged": "audit on, no tags", "whole": "audit on, with tags"}
BESIDE = {"untagged": "off", "whole": "untagged"}  # what each is held against


def copies(world: World) -> dict[str, World]:
    """A world for each variant, to be made before any daemon runs in the first one."""
    return {name: copy_world(world, world.folder.with_name(f"{world.folder.name}-{name}")) for name in NAMES}


def measure(worlds: dict[str, World], setting: Setting) -> Measured:
    """Requests a second of 32 clients, and lines a second of a stream, for each variant."""
    asked, measures = setting.asked(), {}
    files = {name: Files(own, setting.ours, setting.effort.lines * 2) for name, own in worlds.items()}
    with ExitStack() as running:
        for name, own in worlds.items():
            program = ("-m", "tests.bench.variants", name)
            log = own.folder / "daemon.log"
            running.enter_context(daemon(own.config, own.hub_socket, own.environment, log, program))
            measures[f"requests {name}"] = _requests(own, asked, setting.effort.seconds)
            measures[f"numbers {name}"] = _numbers(own, files[name])
        seen = setting.in_turns(measures, min(ROUNDS, setting.effort.rounds))
    figures = []
    for kind, unit in (("requests", "requests/s"), ("numbers", "/s")):
        for name in ("off", "untagged", "whole"):
            beside = BESIDE.get(name)
            limit = Limit(WORDS[beside], middle(seen, f"{kind} {beside}")) if beside else None
            share = ratio(seen, f"{kind} {name}", f"{kind} {beside}") if beside else None
            goal = at_least(0.8) if (kind, name) == ("numbers", "whole") else None
            what = f"{WORDS[name]}: {'32 clients' if kind == 'requests' else 'streamed'}"
            key, value = f"audit_{kind}_{name}", middle(seen, f"{kind} {name}")
            figures.append(Figure(key, "audit", what, value, unit, limit, share, goal=goal))
    return Measured(figures)


def _requests(own: World, asked: list[tuple[bytes, bytes]], seconds: float) -> Callable[[], float]:
    return lambda: load.run(own.hub_socket, asked, CLIENTS, seconds).per_second


def _numbers(own: World, files: Files) -> Callable[[], float]:
    def streamed() -> float:
        done = files.stream(own)
        return float(done["lines"] / done["seconds"])

    return streamed
