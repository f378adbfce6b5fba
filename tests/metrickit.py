"""A daemon's metrics for tests: scraped by curl, as an operator would, and read by prometheus-client's own parsers."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import Metric, openmetrics, parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from appliance.daemon.metrics.front import FRESH_SECONDS
from tests.daemonkit import edit_config, wait_for
from tests.world import World, softhsm

__all__ = ["Scraped", "curl", "metrics_socket", "moved", "scrape", "with_metrics"]

OPENMETRICS = "Accept: application/openmetrics-text; version=1.0.0"


@dataclass(frozen=True)
class Scraped:
    """One scrape. ``text``: as it came, without the head."""

    text: str
    families: dict[str, Metric]

    def value(self, name: str, **labels: str) -> float:
        """The sample with that name and exactly these labels."""
        found = self.rows(name, **labels)
        assert len(found) == 1, (name, labels, found)
        return found[0]

    def rows(self, name: str, **labels: str) -> list[float]:
        """All samples with that name and at least these labels."""
        samples = (sample for family in self.families.values() for sample in family.samples if sample.name == name)
        return [sample.value for sample in samples if labels.items() <= sample.labels.items()]


def with_metrics(world: World, more: str = "") -> World:
    """The world, with a socket for metrics in its configuration."""
    edit_config(world, f'\n[metrics]\nsocket = "run/metrics.sock"\n{more}')
    return world


def metrics_socket(world: World) -> Path:
    return world.folder / "run" / "metrics.sock"


def curl(path: Path, url: str = "http://kagimori/metrics", *options: str) -> tuple[str, str]:
    """The answer's head and body. A daemon that does not answer is a failure."""
    command = [
        str(softhsm()["KAGIMORI_CURL"]),
        "--silent",
        "--show-error",
        "--include",
        "--max-time",
        "20",
        "--unix-socket",
        str(path),
    ]
    done = subprocess.run([*command, *options, url], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    head, separator, body = done.stdout.partition("\n\n")
    assert separator, done.stdout
    return head, body


def scrape(world: World, *, as_openmetrics: bool = False) -> Scraped:
    """A scrape made after this was called: older ones are not told any more by then."""
    time.sleep(1.1 * FRESH_SECONDS)
    return _scrape(world, as_openmetrics)


def _scrape(world: World, as_openmetrics: bool = False) -> Scraped:
    head, body = curl(metrics_socket(world), "http://kagimori/metrics", *(("-H", OPENMETRICS) * as_openmetrics))
    assert head.startswith("HTTP/1.1 200 "), (head, body)
    kind = openmetrics.exposition.CONTENT_TYPE_LATEST if as_openmetrics else "text/plain; version=0.0.4; charset=utf-8"
    assert f"content-type: {kind}\n" in head.lower() + "\n", head
    read = openmetrics_parser if as_openmetrics else parser
    return Scraped(body, {family.name: family for family in read.text_string_to_metric_families(body)})


def moved(world: World, name: str, least: float, **labels: str) -> Scraped:
    """A scrape in which those samples add up to so much at least; waits for it."""
    seen: list[Scraped] = []

    def there() -> bool:
        seen.append(_scrape(world))
        return sum(seen[-1].rows(name, **labels)) >= least

    wait_for(there, 30.0)
    return seen[-1]
