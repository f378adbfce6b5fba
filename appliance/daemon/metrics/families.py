"""How is a number given its name and labels? Prometheus families, made of plain values.

Every name begins with ``kagimori_``. Units stand in the name, as Prometheus' naming guide has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

from appliance.daemon.histogram import Histogram

PREFIX = "kagimori_"
Row = tuple[Sequence[str], float]
"""Label values, in the order of the labels' names, and the value they are for."""


def gauge(name: str, text: str, value: float) -> Metric:
    """One value that goes up and down."""
    return GaugeMetricFamily(PREFIX + name, text, value=value)


def gauges(name: str, text: str, labels: Sequence[str], rows: Iterable[Row]) -> Metric:
    """A value for each set of labels."""
    return _filled(GaugeMetricFamily(PREFIX + name, text, labels=labels), rows)


def counter(name: str, text: str, value: float) -> Metric:
    """One count, from 0 at the daemon's start. ``name`` without ``_total``."""
    return CounterMetricFamily(PREFIX + name, text, value=value)


def counters(name: str, text: str, labels: Sequence[str], rows: Iterable[Row]) -> Metric:
    """A count for each set of labels."""
    return _filled(CounterMetricFamily(PREFIX + name, text, labels=labels), rows)


def histograms(name: str, text: str, labels: Sequence[str], rows: Iterable[tuple[Sequence[str], Histogram]]) -> Metric:
    """A distribution for each set of labels."""
    family = HistogramMetricFamily(PREFIX + name, text, labels=labels)
    for values, seen in rows:
        bounds = [*map(floatToGoString, seen.bounds), "+Inf"]
        counts = accumulate(tuple(seen.counts))  # a copy: the sum is that of the buckets, whoever observes meanwhile
        family.add_metric(values, list(zip(bounds, counts, strict=True)), seen.total)
    return family


def states(name: str, text: str, label: str, known: Sequence[str], now: str | None) -> Metric:
    """A value of 1 for the state that is so now, 0 for all others that can be."""
    return gauges(name, text, (label,), (((one,), one == now) for one in known))


def _filled(family: GaugeMetricFamily | CounterMetricFamily, rows: Iterable[Row]) -> Metric:
    for values, value in rows:
        family.add_metric(values, value)
    return family
