"""The sections about use: from which number to which, by whom and what for, when, and with what outcome."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from appliance.commandline import visible
from appliance.oversight.report.blocks import (
    Cell,
    Heading,
    Matrix,
    Section,
    Shade,
    Table,
    code,
    level_of,
    number,
    part_of,
)
from appliance.oversight.report.subject import Subject
from appliance.oversight.report.tallies import Use, Volume


def pairs(subject: Subject) -> Section:
    """The heat map of domains, and behind it the generations."""
    t = subject.t
    return Section("pairs", t("section.pairs"), t("lead.pairs"), (_matrix(subject), _generations(subject)))


def by_domain(subject: Subject) -> dict[tuple[str, str], Volume]:
    """Numbers from domain to domain."""
    sums: dict[tuple[str, str], Volume] = defaultdict(Volume)
    domain = subject.statistics.domain
    for (source, target), volume in subject.statistics.pairs.items():
        sums[domain(source), domain(target)].plus(volume)
    return sums


def _matrix(subject: Subject) -> Matrix:
    t, sums = subject.t, by_domain(subject)
    names = [domain.name for domain in subject.evidence.state.domains]
    names += sorted({name for pair in sums for name in pair} - set(names))
    allowed = {pair for rule in subject.evidence.state.policy.roles.values() for pair in rule.pairs}
    known = {*sums, *allowed}
    sources = [name for name in names if any(name == source for source, _ in known)]
    targets = [name for name in names if any(name == target for _, target in known)]
    largest = max((volume.converted for volume in sums.values()), default=0)

    def field(source: str, target: str) -> Shade:
        volume = sums.get((source, target))
        if volume is None:
            return Shade("0" if (source, target) in allowed else "", barred=(source, target) not in allowed)
        return Shade(t.number(volume.converted), level_of(volume.converted, largest))

    columns = tuple(_heading(subject, name) for name in targets)
    rows = tuple((_heading(subject, name), tuple(field(name, target) for target in targets)) for name in sources)
    corner = f"{t('column.source')} ↓   {t('column.target')} →"
    return Matrix(t("section.pairs"), corner, columns, rows)


def _heading(subject: Subject, name: str) -> Heading:
    return Heading(visible(name), subject.domain_title(name))


def _generations(subject: Subject) -> Table:
    t = subject.t
    names = ("source", "target", "numbers", "answers", "unknown", "unknown_share", "malformed")
    columns = tuple(t(f"column.{name}") for name in names)
    held = sorted(subject.statistics.pairs.items(), key=lambda one: -one[1].converted)
    rows = tuple((code(source), code(target), *_volume(subject, volume)) for (source, target), volume in held)
    return Table(t("page.table"), columns, rows, frozenset(range(2, 7)), folded=True)


def _volume(subject: Subject, volume: Volume) -> Iterator[Cell]:
    t = subject.t
    yield number(t.number(volume.converted))
    yield number(t.number(volume.answers))
    yield number(t.number(volume.unknown))
    yield number(t.share(volume.unknown / volume.count if volume.count else 0.0))
    yield number(t.number(volume.malformed))


def roles(subject: Subject) -> Section:
    """Bars by role and purpose, with quotas."""
    t = subject.t
    names = ("role", "purpose", "numbers", "answers", "unknown_share", "busiest", "quota")
    columns = tuple(t(f"column.{name}") for name in names)
    held = sorted(subject.statistics.uses.items(), key=lambda one: (one[0][0], -one[1].converted))
    largest = max((use.converted for _, use in held), default=0)
    rows, before = [], ""
    for (role, purpose), use in held:
        rows.append((code("" if role == before else role), *_use(subject, role, purpose, use, largest)))
        before = role
    table = Table(t("section.roles"), columns, tuple(rows), frozenset(range(3, 7)), look="bars uses")
    return Section("roles", t("section.roles"), t("lead.roles"), (table,))


def _use(subject: Subject, role: str, purpose: str, use: Use, largest: int) -> Iterator[Cell]:
    t = subject.t
    yield code(purpose)
    yield Cell(t.number(use.converted), "bar", part_of(use.converted, largest))
    yield number(t.number(use.answers))
    yield number(t.share(use.unknown / use.count if use.count else 0.0))
    day, most = max(use.days.items(), key=lambda one: one[1], default=("", 0))
    yield Cell(t.number(most), note=day)
    quota = _quota(subject, role, purpose)
    if quota is None:
        yield Cell("–")
    else:
        used = t.share(most / quota) if quota else ""
        yield Cell(t.number(quota), note=used, mark="grave" if most > quota else "")


def _quota(subject: Subject, role: str, purpose: str) -> int | None:
    rule = subject.evidence.state.policy.roles.get(role)
    return None if rule is None else rule.purpose_values_per_day.get(purpose, rule.values_per_day)


def week(subject: Subject) -> Section:
    """Hours of the week."""
    t, cells = subject.t, subject.statistics.week
    largest = max(cells)
    columns = tuple(Heading(str(hour)) for hour in range(24))
    rows = tuple(
        (
            Heading(t.weekday(weekday)),
            tuple(
                Shade(t.compact(value) if value else "·", level_of(value, largest))
                for value in cells[weekday * 24 : weekday * 24 + 24]
            ),
        )
        for weekday in range(7)
    )
    matrix = Matrix(t("section.week"), t("column.hour"), columns, rows, look="week")
    return Section("week", t("section.week"), t("lead.week"), (matrix,))


def outcomes(subject: Subject) -> Section:
    """Converted, malformed, unknown: all together, and by pair of domains."""
    t, total = subject.t, subject.statistics.total
    parts = (("converted", total.converted), ("unknown", total.unknown), ("malformed", total.malformed))
    columns = (t("column.what"), t("column.numbers"), "%")
    rows = tuple(
        (
            Cell(t(f"column.{name}"), mark=name),
            Cell(t.number(count), "bar", part_of(count, total.count)),
            number(t.share(count / total.count if total.count else 0.0)),
        )
        for name, count in parts
    )
    whole = Table(t("section.outcomes"), columns, rows, frozenset({2}), look="bars outcomes")
    return Section("outcomes", t("section.outcomes"), t("lead.outcomes"), (whole, _unknown_by_pair(subject)))


def _unknown_by_pair(subject: Subject) -> Table:
    t = subject.t
    names = ("pair", "unknown_share", "unknown", "malformed", "numbers")
    columns = tuple(t(f"column.{name}") for name in names)
    held = [(pair, volume) for pair, volume in by_domain(subject).items() if volume.unknown or volume.malformed]
    held.sort(key=lambda one: -one[1].unknown / max(one[1].count, 1))
    largest = max((volume.unknown / volume.count for _, volume in held), default=0.0)
    rows = tuple(
        (
            code(f"{source} → {target}"),
            Cell(t.share(volume.unknown / volume.count), "bar", part_of(volume.unknown / volume.count, largest)),
            number(t.number(volume.unknown)),
            number(t.number(volume.malformed)),
            number(t.number(volume.converted)),
        )
        for (source, target), volume in held[:12]
    )
    return Table(t("column.unknown_share"), columns, rows, frozenset({2, 3, 4}), look="bars unknowns")
