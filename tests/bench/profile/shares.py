"""Samples of all processes over one stretch of time, as shares: of the time that passed, or of all processor time."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.profile.sampler import DISK, Sample

HANDOVER = "handed over between processes and threads, waiting"
CLIENT = "client"
LEAST = 0.01  # a smaller part is told with the others


@dataclass(frozen=True)
class Stretch:
    """One load: from when to when (monotonic), what the client itself used, and whether one thing waits for another."""

    name: str
    begin: float
    end: float
    client: float  # seconds of processor time
    in_turn: bool  # client, daemon, engine and disk one after another, so that what passed adds up
    count: int  # requests or numbers

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.end - self.begin


def read(folder: Path) -> list[Sample]:
    """What all processes have written."""
    lines = [line for path in folder.glob("*.jsonl") for line in path.read_text(encoding="utf-8").splitlines()]
    return [(when, seconds, part) for when, seconds, part in map(json.loads, lines)]


def shares(samples: Iterable[Sample], stretch: Stretch) -> dict[str, float]:
    """Parts by their share, the largest first.

    In turn: of the time that passed; what nobody used is `HANDOVER`. Else of all processor time, and the disk's
    is left out, since others work meanwhile.
    """
    used = defaultdict(float, {CLIENT: stretch.client})
    for when, seconds, part in samples:
        if stretch.begin <= when <= stretch.end:
            used[part] += seconds
    disk = used.pop(DISK, 0.0)
    if stretch.in_turn:
        used[DISK] = disk
        used[HANDOVER] = max(0.0, stretch.seconds - sum(used.values()))
    whole = sum(used.values())
    return _brief({part: seconds / whole for part, seconds in used.items()})


def busy(samples: Iterable[Sample], stretch: Stretch) -> dict[str, float]:
    """Processor time of client, daemon, engine and index, and the disk's time, as shares of the time that passed."""
    used = defaultdict(float, {CLIENT: stretch.client})
    for when, seconds, part in samples:
        if stretch.begin <= when <= stretch.end:
            used[part.split(":")[0]] += seconds
    return {who: used[who] / stretch.seconds for who in (CLIENT, "daemon", "engine", "index", "disk")}


def _brief(parts: dict[str, float]) -> dict[str, float]:
    """Small parts of a role together."""
    told: defaultdict[str, float] = defaultdict(float)
    for part, share in parts.items():
        role = part.split(":")[0]
        told[part if share >= LEAST else f"{role}: other" if role != part else part] += share
    return dict(sorted(told.items(), key=lambda part: -part[1]))
