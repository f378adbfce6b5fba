"""What does one scrape say? Everything the daemon knows about itself at that moment, as text.

Of prometheus-client only the families, its process collector and its two text formats are used, with a registry of our
own: no state of the whole process, no locks where requests are answered. What is told is looked up in the event loop's
thread, so that it fits together; writing it as text takes longer and is done in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain

from prometheus_client import CollectorRegistry, ProcessCollector, exposition
from prometheus_client.core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from appliance.daemon.metrics import auditlog, counted, standing, tokens
from appliance.daemon.metrics.standing import Fronted
from appliance.daemon.service import Service

OPENMETRICS = openmetrics.CONTENT_TYPE_LATEST
PLAIN = exposition.CONTENT_TYPE_PLAIN_0_0_4
_WRITERS: dict[str, Callable[[CollectorRegistry], bytes]] = {
    OPENMETRICS: openmetrics.generate_latest,
    PLAIN: exposition.generate_latest,
}


def families(service: Service, fronts: Sequence[Fronted]) -> list[Metric]:
    """All that there is to tell now, the process's own figures excepted. For the event loop's thread."""
    measures, labels = service.measures, [token.label for token in service.config.tokens]
    return list(
        chain(
            standing.readiness(service),
            standing.sockets(fronts),
            counted.requests(measures),
            counted.times(measures),
            standing.waiting(service),
            tokens.engines(service),
            counted.others(measures, labels),
            auditlog.records(service),
            counted.log(measures),
            auditlog.signatures(service),
            standing.ledger(service),
        )
    )


def content_type(accept: str) -> str:
    """The OpenMetrics format if the header ``Accept`` names it, else Prometheus' own."""
    return OPENMETRICS if OPENMETRICS.partition(";")[0] in accept else PLAIN


def write(told: Iterable[Metric], wanted: str) -> bytes:
    """As text of that content type, with the process's own figures as they are now. For any thread."""
    registry = CollectorRegistry()
    registry.register(_Told(told))
    ProcessCollector(registry=registry)
    return _WRITERS[wanted](registry)


class _Told(Collector):
    """Families that were made already, for a registry."""

    def __init__(self, told: Iterable[Metric]) -> None:
        self._told = told

    def describe(self) -> list[Metric]:
        """prometheus-client: nothing that must be known beforehand."""
        return []

    def collect(self) -> Iterable[Metric]:
        """prometheus-client: the families."""
        return self._told
