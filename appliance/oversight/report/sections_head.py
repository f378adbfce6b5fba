"""What stands at the top and at the foot of the page: verification, headline figures, and the rules of judgement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from appliance.commandline import visible
from appliance.oversight.report import (
    unusual_callers,
    unusual_failures,
    unusual_hours,
    unusual_log,
    unusual_marks,
    unusual_volume,
)
from appliance.oversight.report import usual as usuals
from appliance.oversight.report.blocks import Cell, Section, Table
from appliance.oversight.report.checks import Check
from appliance.oversight.report.findings import Amount, Share
from appliance.oversight.report.sections_trust import last_record
from appliance.oversight.report.subject import Subject


@dataclass(frozen=True, slots=True)
class Tile:
    """A headline figure; ``note`` says more, ``mark`` how it is to be taken."""

    name: str
    value: str
    note: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A check in words."""

    judgement: str
    word: str
    text: str
    places: tuple[str, ...]


def checks(subject: Subject) -> tuple[Told, ...]:
    """What was verified."""
    return tuple(_check(subject, check) for check in subject.evidence.checks)


def _check(subject: Subject, check: Check) -> Told:
    t = subject.t
    text = t(f"check.{check.name}_{check.judgement}", **check.amounts)
    return Told(check.judgement, t(f"check.{check.judgement}"), text, tuple(visible(one) for one in check.places))


def tiles(subject: Subject) -> Iterator[Tile]:
    """The headline figures."""
    t, statistics = subject.t, subject.statistics
    total, grave = statistics.total, sum(finding.grave for finding in subject.findings)
    more = t("fact.unusual_more", count=len(subject.findings) - grave)
    yield Tile(t("fact.numbers"), t.number(total.converted), t("fact.answers", count=total.answers))
    share = total.unknown / total.count if total.count else 0.0
    of = t("fact.unknown_of", count=total.count, unknown=total.unknown)
    yield Tile(t("fact.unknown"), t.share(share), of)
    codes = {code for _, code in statistics.refusals}
    yield Tile(t("fact.refused"), t.number(statistics.kinds["refusal"]), t("fact.refused_codes", count=len(codes)))
    disclosed = sum(one.total.converted for one in statistics.disclosures.values())
    bare = sum(one.total.converted for key, one in statistics.disclosures.items() if key.order is None)
    note = t("fact.disclosed_orders", count=len({key.order for key in statistics.disclosures} - {None}))
    note += t("fact.disclosed_bare", count=bare) if bare else ""
    yield Tile(t("fact.disclosed"), t.number(disclosed), note, "grave" if bare else "")
    yield _lookups(subject)
    yield Tile(t("fact.unusual"), t.number(grave), more, "grave" if grave else "")
    yield _records(subject)
    yield _cosigned(subject)


def _lookups(subject: Subject) -> Tile:
    t, statistics = subject.t, subject.statistics
    found = sum(caller.found for caller in statistics.callers.values())
    marks = statistics.kinds["not_recognised"]
    note = t("fact.lookups_found", count=found) + (t("fact.marked", count=marks) if marks else "")
    return Tile(t("fact.lookups"), t.number(statistics.kinds["history_read"]), note)


def _records(subject: Subject) -> Tile:
    t, statistics = subject.t, subject.statistics
    last = "" if statistics.last is None else subject.clock.minute(statistics.last.time)
    return Tile(t("fact.records"), t.number(statistics.records), t("fact.records_last", at=last))


def _cosigned(subject: Subject) -> Tile:
    t, held, rules = subject.t, subject.evidence.witnesses, subject.evidence.state.policy.log
    times = [one.time for one in held]
    if not held or None in times:
        demanded = held and (rules.warn_seconds is not None or rules.refuse_seconds is not None)
        return Tile(t("fact.cosigned"), "–", t("fact.cosigned_none"), "grave" if demanded else "")
    oldest = min(time for time in times if time is not None)
    age = max(last_record(subject) - oldest, 0.0)
    late = rules.warn_seconds is not None and age > rules.warn_seconds
    thresholds = (("fresh.warn", rules.warn_seconds), ("fresh.refuse", rules.refuse_seconds))
    note = " · ".join(t(key, time=t.duration(seconds)) for key, seconds in thresholds if seconds is not None)
    return Tile(t("fact.cosigned"), t.duration(age), note or t("fresh.undemanded"), "grave" if late else "")


_SPREAD: Mapping[str, Amount] = {
    "deviations": f"{usuals.DEVIATIONS:g}",
    "spread": f"{usuals.LEAST_SPREAD:g}",
    "times": f"{usuals.TIMES:g}",
}
RULES: Mapping[str, Mapping[str, Amount]] = {
    "volume_high": {**_SPREAD, "fewest": usuals.FEWEST_DAYS, "least": unusual_volume.LEAST_NUMBERS},
    "volume_low": {
        **_SPREAD,
        "deviations": f"{usuals.DEVIATIONS_BELOW:g}",
        "least": round(unusual_volume.LEAST_MEDIAN),
        "pauses": Share(unusual_volume.MOST_PAUSES),
    },
    "lookups_high": {"least": unusual_volume.LEAST_LOOKUPS},
    "unknown_burst": {
        "least": unusual_failures.LEAST_UNKNOWN,
        "base": Share(unusual_failures.LEAST_BASE),
        "times": f"{unusual_failures.TIMES_BASE:g}",
        "fewest": unusual_failures.FEWEST_NUMBERS,
    },
    "refusal_burst": {"least": unusual_failures.LEAST_REFUSALS},
    "night": {
        "begins": unusual_hours.NIGHT_BEGINS,
        "ends": unusual_hours.NIGHT_ENDS,
        "fewest": unusual_hours.FEWEST_DAYS,
        "rarely": Share(unusual_hours.RARELY),
        "least": unusual_hours.RARELY_AT_LEAST,
    },
    "weekend": {},
    "quiet": {"many": Share(unusual_volume.MANY)},
    "new_caller": {"days": unusual_callers.LEARNING_DAYS},
    "new_role": {"days": unusual_callers.LEARNING_DAYS},
    "disclosure": {},
    "order_overuse": {},
    "marked_often": {"fewest": unusual_marks.FEWEST, "days": unusual_marks.DAYS},
    "gap": {
        "long": round(unusual_log.LONG_GAP / 3_600),
        "longer": f"{unusual_log.LONGER:g}",
        "fewest": unusual_log.FEWEST_BUSY,
        "busy": Share(unusual_log.BUSY),
    },
    "clock_back": {},
    "crash": {},
}
"""Every rule, with the constants that its sentence is filled in with."""


def rules(subject: Subject) -> Section:
    """Every rule with its constants."""
    t = subject.t
    rows = tuple((Cell(t(f"rule_name.{name}")), Cell(t(f"rule.{name}", **amounts))) for name, amounts in RULES.items())
    table = Table(t("section.rules"), (t("column.rule"), t("column.threshold_rule")), rows, look="rules")
    return Section("rules", t("section.rules"), t("lead.rules"), (table,))
