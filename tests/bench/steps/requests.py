"""A daemon is asked small requests until it has counted enough of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import msgspec

from tests.bench import load
from tests.bench.processes import daemon
from tests.bench.profile.parts import DAEMON
from tests.bench.setting import Setting
from tests.bench.steps.counted import COUNTED
from tests.bench.steps.counting import Place

MOST_SECONDS = 60


@dataclass(frozen=True)
class Found:
    """Steps of one request: by part of the code (as in the profile) and by function, those that take most first."""

    parts: list[tuple[str, float]]
    functions: list[tuple[Place, float]]

    @property
    def total(self) -> float:
        """All of them."""
        return sum(steps for _, steps in self.parts)


def count(setting: Setting) -> Found:
    """Ask, one number a request and one after another.

    Raises:
        SystemExit: the daemon counted nothing.
    """
    world = setting.world
    file = world.folder / "steps.json"
    with daemon(
        world.config,
        world.hub_socket,
        world.environment,
        world.folder / "daemon.log",
        ("-m", "tests.bench.steps.counted", str(file)),
    ):
        for _ in range(MOST_SECONDS):
            load.run(world.hub_socket, setting.asked(), 1, 1.0)
            if file.exists():
                return _found(msgspec.json.decode(file.read_bytes(), type=list[tuple[str, str, int]]))
    raise SystemExit("steps: the daemon has counted nothing")


def _found(counted: list[tuple[str, str, int]]) -> Found:
    parts: Counter[str] = Counter()
    functions: Counter[Place] = Counter()
    for file, function, steps in counted:
        parts[_part(file)] += steps
        functions[file, function] += steps
    return Found(
        [(part, steps / COUNTED) for part, steps in parts.most_common()],
        [(place, steps / COUNTED) for place, steps in functions.most_common()],
    )


def _part(file: str) -> str:
    return next((name for piece, name in DAEMON if piece in file), "daemon: other")
