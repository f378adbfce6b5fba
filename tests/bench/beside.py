"""Two lanes: how quick interactive requests are beside a bulk stream, and how much of its speed the stream keeps.

What is held against them is a bare relay (`tests.bench.relay`) beside the same stream: while
requests are too few to queue, no daemon can be quicker.
"""

from __future__ import annotations

from typing import Any

from tests.bench.figures import Figure, Limit, Measured, at_least, at_most
from tests.bench.lanes import PACES, measure_lanes
from tests.bench.setting import Setting

GROUP = "lanes"
P99_MS = 5.0
KEPT = 0.7


def measure(setting: Setting) -> Measured:
    """For each pace of requests."""
    effort = setting.effort
    paces = PACES if effort.rounds > 1 else PACES[:1]
    seen = measure_lanes(
        setting.world,
        setting.ours,
        seconds=effort.seconds,
        lines=effort.lanes_lines,
        rounds=effort.lanes_rounds,
        tick=setting.tick,
        paces=paces,
    )
    alone = seen["stream_per_second"]
    figures = [Figure("lanes_stream_alone", GROUP, "bulk stream alone", alone, "/s")]
    return Measured(figures + [figure for row in seen["paces"] for figure in _figures(row, alone)])


def _figures(row: dict[str, Any], alone: float) -> list[Figure]:
    pace = row["requests_per_second"]
    who = f"{pace:,} requests/s of 32 clients"
    bare = Limit("the bare relay beside a stream", row["relay_beside_p99_ms"])
    times = row["beside_p99_ms"] / row["relay_beside_p99_ms"]
    kept, full = row["stream_kept"], Limit("the stream alone", alone)
    return [
        Figure(
            f"lanes_p50_{pace}",
            GROUP,
            f"{who}, beside a stream, p50",
            row["beside_p50_ms"],
            "ms",
            Limit("alone", row["alone_p50_ms"]),
            row["beside_p50_ms"] / row["alone_p50_ms"],
            True,
        ),
        Figure(
            f"lanes_p99_{pace}",
            GROUP,
            f"{who}, beside a stream, p99",
            row["beside_p99_ms"],
            "ms",
            bare,
            times,
            True,
            at_most(P99_MS, "value"),
        ),
        Figure(
            f"lanes_alone_p99_{pace}",
            GROUP,
            f"{who}, alone, p99",
            row["alone_p99_ms"],
            "ms",
            Limit("the bare relay alone", row["relay_alone_p99_ms"]),
            row["alone_p99_ms"] / row["relay_alone_p99_ms"],
            True,
        ),
        Figure(f"lanes_relay_p99_{pace}", GROUP, f"a bare relay of {who}, beside a stream, p99", bare.value, "ms"),
        Figure(
            f"lanes_stream_{pace}",
            GROUP,
            f"the stream beside {who}",
            row["stream_beside_per_second"],
            "/s",
            full,
            kept,
            goal=at_least(KEPT),
        ),
    ]
