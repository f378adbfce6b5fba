"""What is counted while the daemon works? Everything that could not be read off it at the moment of a scrape.

Labels are never a caller's words: roles are the configuration's, generations the ledger's, codes and the rest
lists in Kagimori. So nobody can make the numbers of series grow, or write a person's number into one.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Protocol

from appliance.audit import records
from appliance.daemon.histogram import RECORDS, Histogram
from appliance.daemon.problems import KINDS

INTERFACES = ("convert", "history", "mark", "log", "view", "other")
RESULTS = ("converted", "malformed", "unknown")
STREAM_ENDS = ("complete", "client_gone", "cut")
SCRAPES = ("answered", "refused")


class Stages:
    """Where a request of the JSON form spends its time, if all of its numbers go in one frame; seconds.

    ``decide``: from the body's last byte until it waits in its lane; ``wait``: until an engine gets it; ``engine``:
    until the engine's answer is there; ``audit``: until its record is durable; ``whole``: all of it.
    """

    __slots__ = ("audit", "decide", "engine", "wait", "whole")

    def __init__(self) -> None:
        self.decide = Histogram()
        self.wait = Histogram()
        self.engine = Histogram()
        self.audit = Histogram()
        self.whole = Histogram()


class ChunkStages:
    """Where a chunk of a stream spends its time, seconds.

    ``convert``: from its last byte until engines have answered it; ``audit``: until its record is durable;
    ``write``: until the caller has taken the answer, as far as the daemon can tell.
    """

    __slots__ = ("audit", "convert", "write")

    def __init__(self) -> None:
        self.convert = Histogram()
        self.audit = Histogram()
        self.write = Histogram()


class Tested(Protocol):
    """How many rounds of the conversion self-test passed and failed (`appliance.daemon.selftest.SelfTest`)."""

    passed: int
    failed: int


class RoleMeasures:
    """What one role's callers asked for, by interface, and what became of it.

    ``refusals``: by problem code, streams that were cut with it included; ``streams``: those that had begun to answer.
    """

    __slots__ = ("answered", "cut", "refusals", "refused", "streams")

    def __init__(self) -> None:
        self.answered = dict.fromkeys(INTERFACES, 0)
        self.refused = dict.fromkeys(INTERFACES, 0)
        self.cut = dict.fromkeys(INTERFACES, 0)
        self.refusals = dict.fromkeys(KINDS, 0)
        self.streams = dict.fromkeys(STREAM_ENDS, 0)

    def request(self, interface: str, code: str | None) -> None:
        """A request has been answered (no ``code``), or refused with one."""
        if code is None:
            self.answered[interface] += 1
        else:
            self.refused[interface] += 1
            self.refusals[code] += 1

    def stream_ended(self, outcome: str) -> None:
        """A stream that had begun to answer is complete, its caller is gone, or it was cut with a problem's code."""
        if outcome in STREAM_ENDS:
            self.streams[outcome] += 1
        else:
            self.streams["cut"] += 1
            self.refusals[outcome] += 1


class Measures:
    """All counts and times. For the event loop's thread, `group` excepted, which the log's writer calls.

    ``numbers``: by role, source and target: how many were converted, malformed, unknown. ``losses``: engines, by token
    and `appliance.engine.link.End`. ``newest``: when the newest group of records became durable (`time.monotonic`).
    ``self_test``: None while none is made.
    """

    def __init__(self, roles: Iterable[str]) -> None:
        self.roles = {role: RoleMeasures() for role in roles}
        self.numbers: defaultdict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        self.stages = Stages()
        self.chunks = ChunkStages()
        self.large = Histogram()
        self.history = Histogram()
        self.lag = Histogram()
        self.losses: Counter[tuple[str, str]] = Counter()
        self.scrapes = dict.fromkeys(SCRAPES, 0)
        self.audit_failures = 0
        self.group_records = Histogram(RECORDS)
        self.group_sync = Histogram()
        self.newest = time.monotonic()
        self.self_test: Tested | None = None

    def converted(self, record: records.Conversion) -> None:
        """The record of a conversion is durable."""
        row = self.numbers[record.role, record.source, record.target]
        row[0] += record.converted
        row[1] += record.malformed
        row[2] += record.unknown

    def group(self, count: int, sync_seconds: float) -> None:
        """A group of so many records became durable; how long the disk took to sync it."""
        self.group_records.observe(count)
        self.group_sync.observe(sync_seconds)
        self.newest = time.monotonic()
