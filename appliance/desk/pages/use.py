"""How the appliance is used, refused and looked at: the report's own sections, over the whole log until now."""

from __future__ import annotations

from appliance.desk.seen import Seen
from appliance.oversight.report import sections_head, sections_use, sections_watch
from appliance.oversight.report.blocks import Section


def use(seen: Seen) -> tuple[Section, ...]:
    """Pairs, days, roles, hours, outcomes, callers, look-ups."""
    subject = seen.subject
    return (
        sections_use.pairs(subject),
        sections_watch.days(subject),
        sections_use.roles(subject),
        sections_use.week(subject),
        sections_use.outcomes(subject),
        sections_watch.callers(subject),
        sections_watch.looked_up(subject),
    )


def refusals(seen: Seen) -> tuple[Section, ...]:
    """By reason, role and day."""
    return (sections_watch.refusals(seen.subject),)


def unusual(seen: Seen) -> tuple[Section, ...]:
    """The findings, and the rules that found them."""
    subject = seen.subject
    return sections_watch.unusual(subject), sections_head.rules(subject)
