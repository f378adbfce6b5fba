"""How many single requests a second, and how long each takes, by the number of clients that ask at once."""

from __future__ import annotations

import statistics

from tests.bench import limits, load
from tests.bench.figures import Curve, Measured
from tests.bench.requests import FLOOR
from tests.bench.setting import Setting

ROUNDS = 2


def measure(setting: Setting) -> Measured:
    """Two curves: requests a second; p50 and p99 in milliseconds."""
    asked, seconds = setting.asked(), setting.effort.seconds / 2
    runs: dict[int, list[load.Load]] = {clients: [] for clients in setting.effort.clients}
    floors = []
    for _ in range(min(ROUNDS, setting.effort.rounds)):
        floors.append(limits.token_updates(setting.ours.encrypt_blocks) + limits.fdatasync(setting.world.folder))
        for clients, seen in runs.items():
            seen.append(load.run(setting.world.hub_socket, asked, clients, seconds))
        setting.tick()
    floor = statistics.median(floors)
    rates = [(float(n), statistics.median(run.per_second for run in seen)) for n, seen in runs.items()]
    latencies = {
        f"p{percent}": [
            (float(n), 1e3 * statistics.median(run.percentile(percent) for run in seen)) for n, seen in runs.items()
        ]
        for percent in (50, 99)
    }
    x = "clients, each with one request under way"
    return Measured(
        curves=[
            Curve(
                "clients",
                "Single requests a second by number of clients",
                x,
                "requests/s",
                {"one number each, JSON, audit on": rates},
                {f"one after another: {FLOOR}": 1 / floor},
            ),
            Curve(
                "latency",
                "Latency of single requests by number of clients",
                x,
                "milliseconds",
                latencies,
                {FLOOR: 1e3 * floor},
            ),
        ]
    )
