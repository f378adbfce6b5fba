"""The sections that watch: what is unusual, the time line, refusals, callers, orders and history look-ups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date

from appliance.commandline import visible
from appliance.oversight.report import chart_callers, chart_days
from appliance.oversight.report.blocks import Cell, Chart, Section, Table, code, number, part_of
from appliance.oversight.report.buckets import Bucket, width_for
from appliance.oversight.report.findings import Amount, Finding
from appliance.oversight.report.moments import HOURS, weekday_of
from appliance.oversight.report.subject import Subject
from appliance.oversight.report.tallies import Caller, Who
from appliance.oversight.report.unusual_volume import lookups, numbers, rhythms
from appliance.oversight.report.words import Words

MOST_OF_A_KIND = 8
MOST_GRAVE = 24
MOST_ROWS = 40


def unusual(subject: Subject) -> Section:
    """Every finding with its numbers; of one kind, the first few."""
    t = subject.t
    title = t("section.unusual")
    if not subject.findings:
        return Section("unusual", title, t("lead.unusual_none"), ())
    columns = ("", *(t(f"column.{name}") for name in ("when", "who", "what", "usual", "records")))
    kept, left = _first_of_each(subject.findings)
    rows = tuple(tuple(_finding(subject, finding)) for finding in kept)
    rest = t("page.rest", count=left) if left else ""
    return Section(
        "unusual",
        title,
        t("lead.unusual"),
        (Table(title, columns, rows, frozenset({5}), look="findings", rest=rest, stacks=True),),
    )


def _first_of_each(findings: tuple[Finding, ...]) -> tuple[list[Finding], int]:
    seen: Counter[str] = Counter()
    kept = []
    for finding in findings:
        seen[finding.kind] += 1
        if seen[finding.kind] <= (MOST_GRAVE if finding.grave else MOST_OF_A_KIND):
            kept.append(finding)
    return kept, len(findings) - len(kept)


def _finding(subject: Subject, finding: Finding) -> Iterator[Cell]:
    t = subject.t
    grave = "grave" if finding.grave else "light"
    yield Cell(t(f"unusual.{grave}"), mark=grave)
    yield Cell(finding.when.replace(" – ", "\n– "))
    uids = ", ".join(f"{t('column.uid')} {uid}" for uid in finding.uids[:4])
    nobody = t("unusual.several" if finding.kind == "quiet" else "unusual.nobody")
    yield code(visible(finding.role), note=uids) if finding.role else Cell(nobody)
    amounts = {**finding.amounts, "did": _did(t, finding.amounts)}
    yield Cell(t(f"unusual.{finding.kind}", **amounts))
    yield Cell(t(f"usual.{finding.kind}", **finding.amounts))
    yield Cell(_span(subject, finding.first, finding.last), "n")


def _did(t: Words, amounts: Mapping[str, Amount]) -> str:
    """What a caller did, without what it did not do."""
    counts = {name: amounts.get(name) for name in ("numbers", "lookups", "refused")}
    told = [t(f"did.{name}", count=count) for name, count in counts.items() if count]
    return t("did.join").join(told) or t("page.none")


def _span(subject: Subject, first: int, last: int) -> str:
    t = subject.t
    if not first:
        return "–"
    return t.number(first) if first == last else f"{t.number(first)}–{t.number(last)}"


def days(subject: Subject) -> Section:
    """The time line."""
    t, bars = subject.t, subject.bars()
    width = width_for(subject.first, subject.last)
    lead = t("lead.days") if width == 1 else t("lead.days_bucket", width=width)
    at = subject.clock.at
    held = {at(entry.outcome.finished).day for entry in subject.evidence.entries}
    asked = _asked(subject)
    there = any(bucket.day.lookups for bucket in bars)
    label = f"{t('section.days')}: {t('fact.numbers')} {t.number(subject.statistics.total.converted)}"
    picture = chart_days.time_line(t, label, bars, asked, held, lookups=there)
    chart = Chart(t("section.days"), picture, _days_table(subject, bars))
    return Section("days", t("section.days"), lead, (chart,))


def _asked(subject: Subject) -> set[int]:
    """The days on which a grave finding begins."""
    return {date.fromisoformat(finding.when[:10]).toordinal() for finding in subject.findings if finding.grave}


def _days_table(subject: Subject, bars: list[Bucket]) -> Table:
    t = subject.t
    names = ("day", "numbers", "unknown", "malformed", "refused", "lookups")
    columns = tuple(t(f"column.{name}") for name in names)
    rows = tuple(
        (
            Cell(f"{bucket.text} {t.weekday(weekday_of(bucket.first)) if bucket.first == bucket.last else ''}".strip()),
            *(
                number(t.number(value))
                for value in (
                    bucket.day.converted,
                    bucket.day.unknown,
                    bucket.day.malformed,
                    bucket.day.refused.total(),
                    bucket.day.lookups,
                )
            ),
        )
        for bucket in bars
    )
    return Table(t("page.table"), columns, rows, frozenset(range(1, 6)), folded=True)


def refusals(subject: Subject) -> Section:
    """By reason, by role, and over time."""
    t, statistics = subject.t, subject.statistics
    codes: Counter[str] = Counter()
    for (_, one), count in statistics.refusals.items():
        codes[one] += count
    if not codes:
        return Section("refusals", t("section.refusals"), t("lead.refusals_none"), ())
    ordered = [one for one, _ in codes.most_common()]
    shown = ordered[: chart_days.MOST_CODES - 1]
    label = f"{t('section.refusals')}: {t.number(codes.total())}"
    picture = chart_days.stacked(t, label, subject.bars(), shown)
    rest = [(f"kind{len(shown)}", t("page.rest", count=len(ordered) - len(shown)))] if ordered[len(shown) :] else []
    legend = tuple([(f"kind{place}", visible(one)) for place, one in enumerate(shown)] + rest)
    chart = Chart(t("section.refusals"), picture, _refusals_by_day(subject, ordered), legend)
    return Section("refusals", t("section.refusals"), t("lead.refusals"), (chart, _by_code(subject, codes)))


def _refusals_by_day(subject: Subject, ordered: list[str]) -> Table:
    t = subject.t
    shown = ordered[:8]
    rows = tuple(
        (Cell(bucket.text), *(number(t.number(bucket.day.refused[one])) for one in shown))
        for bucket in subject.bars()
        if bucket.day.refused
    )
    columns = (t("column.day"), *(visible(one) for one in shown))
    return Table(t("page.table"), columns, rows, frozenset(range(1, len(columns))), folded=True)


def _by_code(subject: Subject, codes: Counter[str]) -> Table:
    """A row for each reason; how often each role met it."""
    t, held = subject.t, subject.statistics.refusals
    roles = sorted({who.role for who, _ in held})[:8]
    largest = max(codes.values())
    rows = []
    for one, count in codes.most_common():
        by_role = (sum(n for (who, name), n in held.items() if who.role == role and name == one) for role in roles)
        meaning = t.known(f"code.{one}") or ""
        cells = (number(t.number(n) if n else "·") for n in by_role)
        rows.append((code(one, note=meaning), Cell(t.number(count), "bar", part_of(count, largest)), *cells))
    columns = (t("column.code"), t("column.count"), *(visible(role) for role in roles))
    return Table(t("section.refusals"), columns, tuple(rows), frozenset(range(2, len(columns))), look="bars codes")


def callers(subject: Subject) -> Section:
    """Each caller with a small chart of its days."""
    t, statistics = subject.t, subject.statistics
    held = sorted(statistics.callers.items(), key=lambda one: (-one[1].total.count, -one[1].lookups, one[0]))
    held = [(who, caller) for who, caller in held if caller.hours]
    names = ("who", "chart", "numbers", "usual_day", "threshold", "unknown_share", "refused", "first_seen")
    columns = tuple(t(f"column.{name}") for name in names)
    rows = tuple(tuple(_caller(subject, who, caller)) for who, caller in held[:MOST_ROWS])
    rest = t("page.rest", count=len(held) - MOST_ROWS) if len(held) > MOST_ROWS else ""
    table = Table(t("section.callers"), columns, rows, frozenset(range(2, 7)), look="callers", rest=rest)
    return Section("callers", t("section.callers"), t("lead.callers"), (table,))


def _caller(subject: Subject, who: Who, caller: Caller) -> Iterator[Cell]:
    t = subject.t
    of = numbers if caller.total.count else lookups
    amounts: Counter[int] = Counter()
    for position, hour in caller.hours.items():
        amounts[position // HOURS] += of(hour)
    usual = rhythms(caller, of)[False].usual
    label = f"{subject.who(who)}: {t.number(amounts.total())}"
    yield code(visible(who.role), note=f"{t('column.uid')} {who.uid}" if who.uid >= 0 else "")
    yield Cell("", "chart", chart=chart_callers.spark(label, amounts, subject.first, subject.last, usual))
    note = "" if caller.total.count else t("column.lookups")
    yield Cell(t.number(amounts.total()), "n", note=note)
    yield Cell("–", "n") if usual is None else Cell(t.number(round(usual.middle)), "n", note=f"± {usual.spread:,.0f}")
    yield number("–" if usual is None else t.number(round(usual.upper)))
    share = caller.total.unknown / caller.total.count if caller.total.count else None
    yield number("–" if share is None else t.share(share))
    yield number(t.number(caller.refused.total()) if caller.refused else "·")
    new = any(one.kind == "new_caller" and (one.role, one.uids) == (who.role, (who.uid,)) for one in subject.findings)
    yield Cell(subject.clock.minute(caller.first.time)[:10], mark="grave" if new else "")


def looked_up(subject: Subject) -> Section:
    """History look-ups: the latest."""
    t, held = subject.t, list(subject.statistics.lookups)
    title = t("section.lookups")
    if not held:
        return Section("lookups", title, t("lead.lookups_none"), ())
    names = ("when", "who", "source", "reference", "found", "records")
    columns = tuple(t(f"column.{name}") for name in names)
    rows = tuple(
        (
            Cell(subject.clock.minute(one.mark.time)),
            code(visible(one.who.role), note=f"{t('column.uid')} {one.who.uid}"),
            code(one.source),
            Cell(visible(one.reference)),
            number(t.number(one.found)),
            number(t.number(one.mark.record)),
        )
        for one in reversed(held)
    )
    total = subject.statistics.kinds["history_read"]
    rest = t("page.rest", count=total - len(held)) if total > len(held) else ""
    table = Table(title, columns, rows, frozenset({4, 5}), rest=rest, stacks=True)
    return Section("lookups", title, t("lead.lookups", count=total), (table,))
