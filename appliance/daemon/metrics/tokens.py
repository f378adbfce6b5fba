"""How do the tokens and their engines stand now? Read at a scrape."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import get_args

from prometheus_client.core import Metric

from appliance.daemon.metrics.families import gauges
from appliance.daemon.service import Service
from appliance.engine.frames import Reason
from appliance.engine.places import Crew


def engines(service: Service) -> Iterator[Metric]:
    """Engines by token, and which tokens are left out. Tokens are named by their labels in the configuration."""
    crews = service.supervisor.crews
    yield _by_token("engines_wanted", "Engines that a token should have.", [(c, c.places.processes) for c in crews])
    yield _by_token("engines_serving", "Engines that serve.", [(c, _serving(c)) for c in crews])
    yield _by_token(
        "frames_in_flight",
        "Frames given to engines and not answered yet; two for each engine at most.",
        [(crew, sum(link.in_flight for link in crew.links)) for crew in crews],
    )
    yield gauges(
        "token_left_out",
        "Whether a token has no engine now, by the reason.",
        ("token", "reason"),
        (
            ((crew.places.label, reason), crew.left_out is not None and crew.left_out.failure.reason == reason)
            for crew in crews
            for reason in get_args(Reason)
        ),
    )
    yield _by_token("token_left_out_seconds", "How long it has been so, 0 if not.", [(c, _out(c)) for c in crews])


def _by_token(name: str, text: str, values: list[tuple[Crew, float]]) -> Metric:
    return gauges(name, text, ("token",), (((crew.places.label,), value) for crew, value in values))


def _serving(crew: Crew) -> int:
    return sum(not link.closing for link in crew.links)


def _out(crew: Crew) -> float:
    return 0.0 if crew.left_out is None else max(0.0, time.time() - crew.left_out.since)
