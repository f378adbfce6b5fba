"""What the soak runs on: a world with two engines behind the faulty token, and what every answer must be.

The truth is asked of a daemon on the plain token, without any fault: before the soak for the generations that there
are, after it for those that ceremonies have made meanwhile.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.daemonkit import Daemon, codes, edit_config
from tests.world import World, build_world

SECTORS = ("sspin.A", "sspin.B", "sspin.E")
KEYS = ("common", "spin", *SECTORS)
PEOPLE = 300
STRANGERS = 8  # well formed numbers of each domain that are nobody's


@dataclass
class Truth:
    """``numbers[generation][person]``; ``strangers[generation]``: numbers that are nobody's; ``residents[person]``."""

    residents: tuple[str, ...]
    numbers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    strangers: dict[str, tuple[str, ...]] = field(default_factory=dict)


def build(folder: Path) -> World:
    """A world with two engines; nothing faulty yet."""
    world = build_world(folder, keys=KEYS)
    edit_config(world, "\n[engine]\nprocesses = 2\n")
    return world


def learn(world: World, seed: int) -> Truth:
    """Everybody's numbers of the first generations, and numbers that are nobody's."""
    truth = Truth(tuple(codes(PEOPLE)))
    with Daemon(world) as daemon:
        learn_more(daemon, truth, [f"{name}.1" for name in ("common", *SECTORS)])
        chance = random.Random(seed)
        for name in SECTORS:
            form = world.state().tree[name].format
            made = [form.render(chance.randrange(form.size)) for _ in range(STRANGERS)]
            other = "sspin.B" if name == "sspin.A" else "sspin.A"
            results = daemon.convert(name, other, made).json["results"]
            assert results == [{"error": "unknown_number"}] * STRANGERS, "a stranger is somebody: take another seed"
            truth.strangers[f"{name}.1"] = tuple(made)
        assert daemon.stop() == 0, daemon.log
    return truth


def learn_more(daemon: Daemon, truth: Truth, generations: Iterable[str]) -> None:
    """Everybody's numbers of some generations."""
    for generation in generations:
        truth.numbers[generation] = tuple(daemon.numbers("resident", generation, truth.residents, role="numbering"))


@contextmanager
def plain(world: World, config: str) -> Iterator[Daemon]:
    """A daemon on the plain token again, with the configuration from before; opening verifies the whole log."""
    world.config.write_text(config, "utf-8")
    world.more_env = {}
    with Daemon(world) as daemon:
        yield daemon
        assert daemon.stop() == 0, daemon.log
