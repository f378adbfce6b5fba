"""How does the daemon stand now? Readiness, what waits in it, its sockets, its ledger and keys, read at a scrape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from prometheus_client.core import Metric

from appliance.daemon.metrics.families import Row, counters, gauge, gauges, states
from appliance.daemon.service import UNREADY, Service
from appliance.ledger.keys import KeyRecord
from appliance.ledger.state import LedgerState
from appliance.ledger.states import KeyState


class SocketFacts(NamedTuple):
    """A role's socket: open connections, those that found no seat so far, requests and streams under way."""

    role: str
    connections: int
    turned_away: int
    requests: int
    streams: int


class Fronted(Protocol):
    """A role's socket as a scrape sees it."""

    @property
    def facts(self) -> SocketFacts:
        """How it stands."""


def readiness(service: Service) -> Iterator[Metric]:
    """Whether conversions work now."""
    reason = service.unready
    yield gauges("build_info", "The version that runs.", ("version",), [((service.version,), 1)])
    yield gauge("ready", "Whether conversions work now.", reason is None)
    yield states("unready", "What is in the way of conversions now.", "reason", UNREADY, reason)


def waiting(service: Service) -> Iterator[Metric]:
    """What waits, and what memory it takes."""
    lanes = service.lanes.waiting
    yield gauges(
        "waiting",
        "What waits for an engine, by lane: requests, look-ups, chunks of bulk work, checkpoints.",
        ("lane",),
        (((lane,), count) for lane, count in lanes.items()),
    )
    yield gauge("question_bytes", "Memory held for questions in JSON.", service.room.taken)
    yield gauge("question_bytes_limit", "How much it can be.", service.room.most)
    yield gauge(
        "disclosure_orders_open",
        "Disclosure orders among the 64 seen last that are valid now and not used up.",
        service.orders.open(service.charges.tally.used),
    )


def sockets(fronts: Sequence[Fronted]) -> Iterator[Metric]:
    """The roles' sockets."""
    facts, role = [front.facts for front in fronts], ("role",)
    yield gauges("connections", "Open connections.", role, (((one.role,), one.connections) for one in facts))
    yield counters(
        "connections_turned_away",
        "Connections closed at once: their user has its share of all already.",
        role,
        (((one.role,), one.turned_away) for one in facts),
    )
    yield gauges(
        "requests_in_flight",
        "Requests being answered, streams included.",
        role,
        (((one.role,), one.requests) for one in facts),
    )
    yield gauges("streams", "Streams being converted.", role, (((one.role,), one.streams) for one in facts))


def ledger(service: Service) -> Iterator[Metric]:
    """The ledger in force and the age of its keys. Keys that were destroyed have none."""
    state, now = service.in_force.state, datetime.now(UTC)
    yield gauge("ledger_sequence", "The newest entry of the ledger in force.", state.sequence)
    if service.ledger_finished is not None:
        yield gauge(
            "ledger_age_seconds", "Since its newest entry was carried out.", _seconds(service.ledger_finished, now)
        )
    kept = [record for record in state.keys.values() if record.state is not KeyState.DESTROYED]
    labels = ("generation", "state", "current")
    yield gauges(
        "key_age_seconds",
        "Since a key was last activated; keys that never were are left out.",
        labels,
        (_row(state, record, record.activated_at, now) for record in kept if record.activated_at),
    )
    yield gauges(
        "key_state_age_seconds",
        "Since a key came into its state.",
        labels,
        (_row(state, record, record.since, now) for record in kept if record.since),
    )


def _row(state: LedgerState, record: KeyRecord, at: str, now: datetime) -> Row:
    generation = record.generation
    current = state.current.get(generation.domain) == generation
    return (str(generation), record.state.value, "yes" if current else "no"), _seconds(at, now)


def _seconds(at: str, now: datetime) -> float:
    return max(0.0, (now - datetime.fromisoformat(at)).total_seconds())
