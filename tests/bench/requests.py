"""How quick single requests are, with 1 and 32 clients, beside the token's and the disk's own time for one."""

from __future__ import annotations

import statistics

from tests.bench import limits, load
from tests.bench.figures import Figure, Goal, Limit, Measured, at_least, at_most
from tests.bench.setting import Setting

GROUP = "requests"
FLOOR = "31 updates on the token (43 blocks) + one fdatasync"
CROWD = 32


def measure(setting: Setting) -> Measured:
    """JSON, audit on."""
    floors, ones, crowds = [], [], []
    asked, seconds, path = setting.asked(), setting.effort.seconds, setting.world.hub_socket
    for _ in range(setting.effort.rounds):
        floors.append(limits.token_updates(setting.ours.encrypt_blocks) + limits.fdatasync(setting.world.folder))
        ones.append(load.run(path, asked, 1, seconds))
        crowds.append(load.run(path, asked, CROWD, seconds))
        setting.tick()
    floor = Limit(FLOOR, 1e6 * statistics.median(floors))
    times = statistics.median(run.percentile(50) / least for run, least in zip(ones, floors, strict=True))
    rate = statistics.median(run.per_second for run in crowds)
    return Measured(
        [
            Figure("request_floor", GROUP, FLOOR, floor.value, "µs", floor, 1.0, True),
            _latency("one_client_p50", 1, 50, ones, floor, times, at_most(5)),
            _latency("one_client_p99", 1, 99, ones),
            _crowd(rate, 1e6 / floor.value),
            _latency("clients_32_p50", CROWD, 50, crowds),
            _latency("clients_32_p99", CROWD, 99, crowds),
        ]
    )


def _crowd(rate: float, alone: float) -> Figure:
    """Beside what one after another could be at most: a crowd shares frames and syncs."""
    limit, goal = Limit("one after another", alone), at_least(8000, "value")
    return Figure("clients_32", GROUP, f"{CROWD} clients", rate, "requests/s", limit, rate / alone, True, goal)


def _latency(
    name: str,
    clients: int,
    percent: int,
    runs: list[load.Load],
    limit: Limit | None = None,
    ratio: float | None = None,
    goal: Goal | None = None,
) -> Figure:
    what = f"{clients} client{'s' if clients > 1 else ''}, p{percent}"
    seen = 1e6 * statistics.median(run.percentile(percent) for run in runs)
    return Figure(name, GROUP, what, seen, "µs", limit, ratio, True, goal)
