"""What a roster, the domains or a policy are to be, as tables; against what they were, where there was something."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from appliance.ledger.actions import DomainSpec
from appliance.ledger.policy import Policy, RoleRule
from appliance.ledger.roster import Person, Roster
from appliance.numbers.formats import BASE36, DECIMAL
from keyceremony.sheets import people
from keyceremony.sheets.blocks import Code, Table, unless_new
from keyceremony.sheets.rules import rule_tables
from keyceremony.sheets.wording import Wording
from keyceremony.showing.pair_words import names

_ALPHABETS = {BASE36: "0-9A-Z", DECIMAL: "0-9"}


def roster_tables(t: Wording, before: Roster | None, after: Roster) -> tuple[Table, ...]:
    """People and thresholds; ``before`` None: a ledger is founded."""
    return _people(t, before, after), _thresholds(t, before, after)


def _people(t: Wording, before: Roster | None, after: Roster) -> Table:
    old = {person.id: person for person in before.people} if before else {}
    new = {person.id: person for person in after.people}
    rows = []
    for person in {**old, **new}.values():
        change = "" if before is None else _person_change(t, old.get(person.id), new.get(person.id))
        words = "" if change == t("change.same") else people.certificate_words(person)
        rows.append((change, Code(person.id), person.name, people.role(t, person.role), Code(words)))
    headings = (t("change.what"), t("sheet.id"), t("sheet.name"), t("sheet.role"), t("change.certificate_words"))
    return unless_new(Table(t("change.people"), headings, tuple(rows)), before)


def _person_change(t: Wording, old: Person | None, new: Person | None) -> str:
    if old is None:
        return t("change.joins")
    if new is None:
        return t("change.leaves")
    parts = []
    if old.certificate != new.certificate:
        parts.append(t("change.renewed"))
    if old.name != new.name:
        parts.append(t("change.renamed", before=old.name))
    if old.role != new.role:
        parts.append(t("change.role", before=people.role(t, old.role)))
    return "\n".join(parts) or t("change.same")


def _thresholds(t: Wording, before: Roster | None, after: Roster) -> Table:
    rows = []
    for name, new in after.thresholds.items():
        old = before.thresholds[name] if before else new
        counts = _arrow(old.officers, new.officers), _arrow(old.oversight, new.oversight)
        rows.append((t("change.same" if old == new else "change.changed"), t(f"class.{name}"), *counts))
    headings = (t("change.what"), t("change.threshold_for"), t("change.officers"), t("change.oversight"))
    return unless_new(Table(t("change.thresholds"), headings, tuple(rows)), before)


def _arrow(old: int, new: int) -> str:
    return str(new) if old == new else f"{old} → {new}"


def alphabet(domain: DomainSpec) -> str:
    """A domain's letters, the usual ones drawn together."""
    return _ALPHABETS.get(domain.format.alphabet, domain.format.alphabet)


def domain_table(t: Wording, domains: Iterable[DomainSpec]) -> Table:
    """The tree of domains."""
    rows = tuple(
        (
            Code(domain.name),
            domain.title,
            Code(domain.parent or "–"),
            t("change.numbers", alphabet=alphabet(domain), length=domain.format.length),
            domain.format.check,
        )
        for domain in domains
    )
    keys = ("field.domain", "field.domain_title", "field.domain_parent", "change.domain_numbers", "field.check")
    return Table(t("change.domains"), tuple(t(key) for key in keys), rows)


def policy_tables(t: Wording, before: Policy | None, after: Policy, roots: frozenset[str]) -> tuple[Table, ...]:
    """Rules of roles, and all others. ``roots``: domains whose numbers nobody should be shown without need."""
    return _rules(t, before, after, roots), *rule_tables(t, before, after)


def _rules(t: Wording, before: Policy | None, after: Policy, roots: frozenset[str]) -> Table:
    old = before.roles if before else {}
    rows = []
    for name in sorted({**old, **after.roles}):
        for change, rule in _rule_changes(t, old.get(name), after.roles.get(name)):
            rows.append((change, Code(name), *_rule(t, rule, roots)))
    keys = ("change.what", "change.rule_role", "change.pairs", "change.purposes", "change.limits")
    return unless_new(Table(t("change.rules"), tuple(t(key) for key in keys), tuple(rows)), before)


def _rule_changes(t: Wording, old: RoleRule | None, new: RoleRule | None) -> Iterator[tuple[str, RoleRule]]:
    if old is not None and new is not None and old != new:
        yield t("change.before"), old
        yield t("change.after"), new
    elif new is None and old is not None:
        yield t("change.removed"), old
    elif new is not None:
        yield t("change.added" if old is None else "change.same"), new


def _rule(t: Wording, rule: RoleRule, roots: frozenset[str]) -> tuple[str, str, str]:
    may = [*_pairs(rule.pairs), *_readings(t, rule)]
    bare = sorted({target for _, target in rule.pairs} & roots)
    if bare:
        may.append(t("change.shows_root", domains=", ".join(bare)))
    return Code("\n".join(may) or "–"), Code("\n".join(rule.purposes) or "–"), "\n".join(_limits(t, rule))


def _readings(t: Wording, rule: RoleRule) -> Iterator[str]:
    """What a role may do besides converting."""
    if rule.history:
        yield t("change.history", domains=", ".join(rule.history))
    if rule.log:
        yield t("change.log")


def _limits(t: Wording, rule: RoleRule) -> Iterator[str]:
    yield f"{rule.values_per_request:,} / {rule.values_per_stream:,} / {rule.values_per_minute:,}"
    if rule.values_per_day is not None:
        yield t("change.per_day", count=f"{rule.values_per_day:,}")
    for purpose, quota in sorted(rule.purpose_values_per_day.items()):
        yield t("change.per_day_for", purpose=purpose, count=f"{quota:,}")
    if rule.values_without_order is not None:
        yield t("change.without_order", count=f"{rule.values_without_order:,}")


def _pairs(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Lines that together name exactly the pairs: sources with the same targets in one."""
    targets: dict[str, list[str]] = defaultdict(list)
    for source, target in sorted(pairs):
        targets[source].append(target)
    sources: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for source, reached in targets.items():
        sources[tuple(reached)].append(source)
    return [f"{names(group)} → {names(reached)}" for reached, group in sources.items()]
