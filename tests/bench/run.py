"""The whole benchmark in a fresh world: which measures there are, and in which order they run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from tests.bench import audit, batches, beside, clients, engine, engines, files, history, requests, stream
from tests.bench.effort import Effort
from tests.bench.figures import Figure, Measured, at_most
from tests.bench.processes import daemon
from tests.bench.setting import Setting
from tests.bench.subject import subject
from tests.clonekit import clone_world
from tests.world import World, build_world

NAMES = ("requests", "engine", "stream", "batches", "clients", "lanes", "files", "engines", "audit", "history")
HISTORY_MS = 50


def run(folder: Path, effort: Effort, names: tuple[str, ...], say: Console) -> Measured:
    """The measures with these names, in the order of `NAMES`."""
    world = clone_world(folder) if effort.with_clone and "engines" in names else build_world(folder)
    worlds = audit.copies(world) if "audit" in names else {}
    os.environ["SOFTHSM2_CONF"] = world.env["SOFTHSM2_CONF"]
    with subject(world) as ours:
        setting = Setting(world, ours, effort, lambda: say.print(".", end=""))
        measured = _served(world, setting, names, say)
        measured += _each({"engines": lambda: engines.measure(setting)}, names, say)
        measured += _each({"audit": lambda: audit.measure(worlds, setting)}, names, say)
    return _with_peers(measured + _each({"history": lambda: histories(effort)}, names, say))


def _with_peers(measured: Measured) -> Measured:
    """The curve of batches with the peers beside it, if both were measured."""
    peers = {figure.name: figure.value for figure in measured.figures if figure.name in engine.PEERS}
    curves = [replace(curve, peers=peers) if curve.name == "batches" else curve for curve in measured.curves]
    return replace(measured, curves=curves)


def _served(world: World, setting: Setting, names: tuple[str, ...], say: Console) -> Measured:
    """What needs the daemon."""
    with daemon(world.config, world.hub_socket, world.environment, world.folder / "daemon.log") as pid:
        measures: Mapping[str, Callable[[], Measured]] = {
            "requests": lambda: requests.measure(setting),
            "engine": lambda: engine.measure(setting),
            "stream": lambda: stream.measure(setting, pid),
            "batches": lambda: batches.measure(setting),
            "clients": lambda: clients.measure(setting),
            "lanes": lambda: beside.measure(setting),
            "files": lambda: files.measure(setting),
        }
        return _each(measures, names, say)


def _each(measures: Mapping[str, Callable[[], Measured]], names: tuple[str, ...], say: Console) -> Measured:
    measured = Measured()
    for name, measure in measures.items():
        if name in names:
            begin = time.monotonic()
            say.print(f"{name} ", end="")
            measured += measure()
            say.print(f" {time.monotonic() - begin:.0f} s")
    return measured


def histories(effort: Effort) -> Measured:
    """One person's history by how many tags are stored, cold."""
    figures = []
    for row in history.measure(effort.tags):
        what = f"history, {row.tags:,} tags, {row.hits} conversions"
        name = f"history_{row.tags}_{row.hits}"
        figures.append(Figure(f"{name}_p50", "history", f"{what}, p50", row.cold_p50, "ms"))
        goal = at_most(HISTORY_MS, "value")
        figures.append(Figure(f"{name}_p95", "history", f"{what}, p95", row.cold_p95, "ms", goal=goal))
    return Measured(figures)
