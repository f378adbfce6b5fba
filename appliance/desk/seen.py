"""What a page is made from: one standing, one moment, one language."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from appliance.desk.looking import View
from appliance.desk.settings import Desk
from appliance.desk.standing import Standing
from appliance.desk.words import DeskWords
from appliance.oversight.report.moments import Clock
from appliance.oversight.report.subject import Subject
from appliance.oversight.report.tallies import Day


@dataclass(frozen=True, slots=True)
class Seen:
    """``view``: that of the standing, which is there. ``now``: the moment, with its time zone."""

    t: DeskWords
    clock: Clock
    desk: Desk
    standing: Standing
    view: View
    now: datetime

    @property
    def today(self) -> int:
        """The day, counted as the statistics count days."""
        return self.now.astimezone(self.clock.zone).toordinal()

    @property
    def subject(self) -> Subject:
        """What the report's sections are made from: the whole log until now."""
        statistics = self.view.statistics
        return Subject(
            t=self.t,
            clock=self.clock,
            statistics=statistics,
            evidence=self.view.evidence,
            findings=self.view.findings,
            orders=self.view.orders,
            first=statistics.log_began or self.today,
            last=max(statistics.log_ended, statistics.log_began or self.today),
            made=self.now,
            partial=False,
        )

    def days(self, count: int) -> list[Day]:
        """The last so many days until today, those on which there was a record."""
        days = self.view.statistics.days
        return [days[day] for day in range(self.today - count + 1, self.today + 1) if day in days]

    def moment(self, moment: datetime) -> str:
        """A moment as the pages write it."""
        return f"{moment.astimezone(self.clock.zone):%Y-%m-%d %H:%M:%S}"

    def since(self, instant: str) -> float:
        """Seconds from an instant of log or ledger until now."""
        return max((self.now - datetime.fromisoformat(instant)).total_seconds(), 0.0)
