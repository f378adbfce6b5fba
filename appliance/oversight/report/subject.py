"""What a report is about: one copy, judged and counted, in one language. The sections are made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from appliance.commandline import visible
from appliance.oversight.report.buckets import Bucket, buckets
from appliance.oversight.report.evidence import Evidence
from appliance.oversight.report.findings import Finding
from appliance.oversight.report.moments import Clock
from appliance.oversight.report.orders import HeldOrder
from appliance.oversight.report.statistics import Statistics
from appliance.oversight.report.tallies import Who
from appliance.oversight.report.words import Words


@dataclass(frozen=True, slots=True)
class Subject:
    """Everything that the sections show. ``first``, ``last``: the period's days; ``made``: when the report is made.

    ``partial``: the period is less than the log.
    """

    t: Words
    clock: Clock
    statistics: Statistics
    evidence: Evidence
    findings: tuple[Finding, ...]
    orders: Mapping[str, HeldOrder]
    first: int
    last: int
    made: datetime
    partial: bool

    def bars(self) -> list[Bucket]:
        """The days of the time lines."""
        return buckets(self.statistics.days, self.first, self.last)

    def domain_title(self, name: str) -> str:
        """What the ledger calls a domain. Of ``税 (tax)``, the English page shows what is in the bracket."""
        title = visible(self.evidence.state.titles.get(name, ""))
        japanese, bracket, english = title.partition(" (")
        return english.removesuffix(")") if bracket and self.t.language == "en" else japanese

    def who(self, who: Who) -> str:
        """Role and uid of a caller."""
        return visible(f"{who.role} · {who.uid}") if who.uid >= 0 else visible(who.role)
