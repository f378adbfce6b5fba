"""How does the audit log stand now? What is written, signed, co-signed and indexed; read at a scrape."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client.core import Metric

from appliance.daemon.metrics.families import gauge, gauges
from appliance.daemon.service import Service


def records(service: Service) -> Iterator[Metric]:
    """What is in the log."""
    size = service.audit.records
    yield gauge("audit_available", "Whether the audit log can be written.", service.audit.available)
    yield gauge("audit_records", "Records in the log, removed ones counted too.", size)
    yield gauge(
        "audit_oldest_record_age_seconds",
        "Since the record was written that was the oldest one when the daemon started.",
        max(0.0, time.time() - service.began),
    )
    behind = max(0, size - service.tag_index.indexed)
    yield gauge("index_behind_records", "Records that the index of subject tags lacks.", behind)
    yield gauge("index_trouble", "Whether the index cannot be written now.", service.tag_index.trouble is not None)


def signatures(service: Service) -> Iterator[Metric]:
    """What of it is signed and co-signed."""
    size, checkpointer, witnesses = service.audit.records, service.checkpointer, service.witnesses
    signed = 0 if checkpointer.signed is None else checkpointer.signed.size
    yield gauge("audit_unsigned_records", "Records that no signed checkpoint covers.", max(0, size - signed))
    yield gauge(
        "audit_checkpoint_age_seconds",
        "Since the newest checkpoint was signed, or the daemon came up with it.",
        time.monotonic() - checkpointer.signed_at,
    )
    yield gauge(
        "audit_checkpoint_trouble", "Whether no checkpoint can be signed now.", checkpointer.trouble is not None
    )
    yield gauge("audit_uncosigned_records", "Records that no cosignature covers.", max(0, size - witnesses.size))
    if (age := witnesses.age()) is not None:
        yield gauge("audit_cosignature_age_seconds", "Since all witnesses had co-signed.", age)
    rules = service.in_force.state.policy.log
    limits = (("warn", rules.warn_seconds), ("refuse", rules.refuse_seconds))
    yield gauges(
        "audit_cosignature_limit_seconds",
        "The policy's limits of that age: when the daemon warns, and when it converts no more.",
        ("limit",),
        (((name,), seconds) for name, seconds in limits if seconds is not None),
    )
