"""What every measure is handed: the world, the engine's own code on its token, how much to do, and turns."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from tests.bench import load
from tests.bench.effort import Effort
from tests.bench.subject import Subject
from tests.world import World

PURPOSE = "exchange"
ASKED = 2_000
Seen = dict[str, list[float]]


@dataclass(frozen=True)
class Setting:
    """``tick`` is called after each turn."""

    world: World
    ours: Subject
    effort: Effort
    tick: Callable[[], None]

    def in_turns(self, measures: dict[str, Callable[[], float]], rounds: int | None = None) -> Seen:
        """Call each measure once a round, so that a slow moment of the machine hits all of them alike."""
        seen: Seen = {name: [] for name in measures}
        for _ in range(rounds or self.effort.rounds):
            for name, measure in measures.items():
                seen[name].append(measure())
            self.tick()
        return seen

    def asked(self) -> list[tuple[bytes, bytes]]:
        """Requests for one number each, and the right answers."""
        pairs = zip(self.ours.b_text.split()[:ASKED], self.ours.e_text.split()[:ASKED], strict=True)
        return [(load.request_bytes("sspin.B", "sspin.E", PURPOSE, b.decode()), e) for b, e in pairs]


def ratio(seen: Seen, over: str, under: str) -> float:
    """Median of the ratios round by round."""
    return statistics.median(a / b for a, b in zip(seen[over], seen[under], strict=True))


def middle(seen: Seen, name: str) -> float:
    """Median of what was seen."""
    return statistics.median(seen[name])
