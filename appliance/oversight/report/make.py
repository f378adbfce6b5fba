"""Making a report: a copy is proven and counted in one pass, judged, and written down as a page."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from appliance.bilingual import Language
from appliance.ledger.policy import discloses
from appliance.ledger.state import LedgerState
from appliance.oversight import trust as trusts
from appliance.oversight.copy import Copy
from appliance.oversight.report import evidence, orders, page
from appliance.oversight.report.errors import PeriodEmpty
from appliance.oversight.report.evidence import Evidence, Progress
from appliance.oversight.report.findings import Facts, Finding
from appliance.oversight.report.moments import Clock, day_text
from appliance.oversight.report.statistics import EVER, Statistics
from appliance.oversight.report.subject import Subject
from appliance.oversight.report.unusual import findings
from appliance.oversight.report.words import Words


@dataclass(frozen=True, slots=True)
class Wanted:
    """What kind of report. ``first``, ``last``: the days of the period, None: as far as the log goes."""

    language: Language = "en"
    timezone: str = "Asia/Tokyo"
    first: date | None = None
    last: date | None = None
    orders: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A page, and what it is about."""

    page: bytes
    evidence: Evidence
    statistics: Statistics
    findings: tuple[Finding, ...]


def make(
    directory: Path, anchor: str, wanted: Wanted, *, now: datetime | None = None, progress: Progress | None = None
) -> Report:
    """The report about the copy in a folder.

    Args:
        directory: an exported copy.
        anchor: the pinned SHA-256 of the genesis plan, lower-case hex.
        wanted: language, time zone, period, orders at hand.
        now: when it is made; default: now.
        progress: is told how many records of how many are done.

    Raises:
        OversightError, TlogError: (a subclass) there is no copy, or no checkpoint in it.
        LedgerError: (a subclass) its ledger, or an order, is refused.
        ReportError: (a subclass) no such time zone, or the period has no record.
    """
    clock = Clock.named(wanted.timezone)
    period = _period(wanted)
    copy = Copy(directory)
    trust = trusts.of(copy.ledger(), anchor)
    held = orders.read(wanted.orders, trust.entries)
    statistics = Statistics(clock, disclosing(trust.state), period)
    proven = evidence.read(copy, trust, statistics, progress or (lambda done, size: None))
    if statistics.first is None:
        raise PeriodEmpty("the log has no record in this period", "choose other dates, or none for the whole log")
    found = findings(Facts(statistics, held, proven.marks))
    subject = Subject(
        t=Words(wanted.language),
        clock=clock,
        statistics=statistics,
        evidence=proven,
        findings=found,
        orders=held,
        first=max(period[0], statistics.log_began or period[0]),
        last=min(period[1], statistics.log_ended),
        made=now or datetime.now(UTC),
        partial=period != EVER,
    )
    return Report(page.render(subject, _command(directory, anchor)), proven, statistics, found)


def disclosing(state: LedgerState) -> Collection[str]:
    """The domains from which all numbers of a person follow."""
    return frozenset(domain.name for domain in state.domains if discloses(state.tree, domain.name))


def _period(wanted: Wanted) -> tuple[int, int]:
    first = EVER[0] if wanted.first is None else wanted.first.toordinal()
    last = EVER[1] if wanted.last is None else wanted.last.toordinal()
    if last < first:
        raise PeriodEmpty(f"the period ends on {day_text(last)}, before it begins on {day_text(first)}")
    return first, last


def _command(directory: Path, anchor: str) -> str:
    return shlex.join(["appliance", "oversight", "verify", str(directory), "--anchor", anchor])
