"""Which families do the counts make? Everything in `Measures`, with a row for each label that could come.

What can be counted is shown as 0 before it happens, so that the first time is seen as a step. Pairs of generations are
the exception: a country has hundreds, of which most are never used.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import product
from typing import get_args

from prometheus_client.core import Metric

from appliance.daemon.histogram import Histogram
from appliance.daemon.measures import RESULTS, Measures
from appliance.daemon.metrics.families import counter, counters, gauge, histograms
from appliance.engine.frames import Reason
from appliance.engine.link import Gone


def requests(measures: Measures) -> Iterator[Metric]:
    """What was asked, and what became of it."""
    roles = measures.roles.items()
    yield counters(
        "requests",
        "Requests by role, what was asked for, and whether they were answered, refused or cut off.",
        ("role", "interface", "outcome"),
        (
            ((role, interface, outcome), count)
            for role, seen in roles
            for outcome, counts in (("answered", seen.answered), ("refused", seen.refused), ("cut", seen.cut))
            for interface, count in counts.items()
        ),
    )
    yield counters(
        "refusals",
        "Refused requests and cut streams, by role and problem code.",
        ("role", "code"),
        (((role, code), count) for role, seen in roles for code, count in seen.refusals.items()),
    )
    yield counters(
        "streams_ended",
        "Streams that had begun to answer, by role and how they ended.",
        ("role", "outcome"),
        (((role, outcome), count) for role, seen in roles for outcome, count in seen.streams.items()),
    )
    yield counters(
        "numbers",
        "Numbers of durable records, by role, generation of source and target, and what became of them.",
        ("role", "source", "target", "result"),
        (
            ((*where, result), count)
            for where, counts in measures.numbers.items()
            for result, count in zip(RESULTS, counts, strict=True)
        ),
    )


def times(measures: Measures) -> Iterator[Metric]:
    """How long it took."""
    yield histograms(
        "request_stage_seconds",
        "Where requests of up to 1,024 numbers in JSON spend their time.",
        ("stage",),
        _stages(measures.stages),
    )
    yield histograms("large_request_seconds", "Requests of more numbers in JSON.", (), [((), measures.large)])
    yield histograms("history_seconds", "Looks into one person's history.", (), [((), measures.history)])
    yield histograms(
        "stream_chunk_seconds", "Where chunks of streams spend their time.", ("stage",), _stages(measures.chunks)
    )
    yield histograms("event_loop_lag_seconds", "How late the event loop wakes up.", (), [((), measures.lag)])


def log(measures: Measures) -> Iterator[Metric]:
    """What the log's writer did."""
    yield histograms(
        "audit_group_records", "Records that were made durable together.", (), [((), measures.group_records)]
    )
    yield histograms(
        "audit_sync_seconds", "How long the disk took to sync a group of records.", (), [((), measures.group_sync)]
    )
    yield gauge(
        "audit_newest_record_age_seconds",
        "Since the newest record became durable.",
        time.monotonic() - measures.newest,
    )
    yield counter("audit_failures", "Times that the audit log stopped writing.", measures.audit_failures)


def others(measures: Measures, tokens: Sequence[str]) -> Iterator[Metric]:
    """Engines that were lost, self-tests, scrapes."""
    ends = list(product(tokens, (*get_args(Gone), *get_args(Reason))))
    yield counters(
        "engine_losses",
        "Engines that ended unasked, by token and reason; each is replaced, unless that is no use.",
        ("token", "reason"),
        ((key, measures.losses[key]) for key in ends),
    )
    tested = measures.self_test
    yield counters(
        "self_tests",
        "Rounds of the conversion self-test, in which every engine is asked.",
        ("result",),
        [(("passed",), tested.passed if tested else 0), (("failed",), tested.failed if tested else 0)],
    )
    scrapes = measures.scrapes.items()
    yield counters("scrapes", "Requests on this socket.", ("outcome",), (((one,), count) for one, count in scrapes))


def _stages(stages: object) -> Iterator[tuple[tuple[str], Histogram]]:
    names: tuple[str, ...] = type(stages).__slots__  # type: ignore[attr-defined]
    return (((name,), getattr(stages, name)) for name in names)
