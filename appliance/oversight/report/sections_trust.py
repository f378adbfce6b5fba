"""The sections about what the figures rest on: keys, ceremonies, operation and cosignatures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from appliance.commandline import visible
from appliance.ledger.actions import Action, action_name, subject_of
from appliance.ledger.chain import Entry
from appliance.oversight.report import chart_events, chart_fresh, chart_keys, keystory
from appliance.oversight.report.blocks import Block, Cell, Chart, Prose, Section, Table, code, number
from appliance.oversight.report.chart_keys import Times, posix
from appliance.oversight.report.chart_time import Axis
from appliance.oversight.report.keystory import DomainStory, KeyStory
from appliance.oversight.report.subject import Subject
from appliance.oversight.report.witnesses import Witnessed, freshness

MOST_EVENTS = 60
DIGITS = 16
MOST_ACTIONS = 12


def keys(subject: Subject) -> Section:
    """Every key's life."""
    t = subject.t
    stories = keystory.tell(subject.evidence.entries)
    title = t("section.keys")
    if not stories:
        return Section("keys", title, t("lead.keys"), (Prose(t("page.none")),))
    begins, ends = _period(subject)
    genesis = posix(subject.evidence.entries[0].outcome.finished)
    times = Times(min(genesis, begins), max(ends, subject.made.timestamp()), (begins, ends), subject.clock)
    picture = chart_keys.picture(t, title, stories, subject.evidence.entries, times)
    legend = tuple((f"key {name}", t(f"state.{name}")) for name in _states(stories))
    chart = Chart(title, picture, _key_table(subject, stories), legend)
    return Section("keys", title, t("lead.keys"), (chart,))


def _period(subject: Subject) -> tuple[float, float]:
    first, last = (
        datetime.combine(datetime.fromordinal(day), datetime.min.time(), subject.clock.zone).timestamp()
        for day in (subject.first, subject.last + 1)
    )
    return first, min(last, subject.made.timestamp())


def _states(stories: tuple[DomainStory, ...]) -> list[str]:
    """The states that the picture shows as bars, in the order of a key's life."""
    there = {span.state.value for story in stories for key in story.keys for span in key.spans}
    return [name for name in ("generated", "active", "decrypt-only", "suspended", "retired") if name in there]


def _key_table(subject: Subject, stories: tuple[DomainStory, ...]) -> Table:
    t = subject.t
    columns = tuple(t(f"column.{name}") for name in ("domain", "generation", "state", "since", "made_by"))
    rows = tuple(tuple(_key(subject, story, key)) for story in stories for key in story.keys)
    return Table(t("page.table"), columns, rows, frozenset({4}), folded=True)


def _key(subject: Subject, story: DomainStory, key: KeyStory) -> Iterator[Cell]:
    t = subject.t
    title = t(f"service.{story.name}") if story.service else subject.domain_title(story.name)
    yield code(story.name, note=title)
    yield code(str(key.generation))
    yield Cell(t(f"state.{key.now.state.value}"), note=t("state.current") if key.current else "")
    yield Cell(subject.clock.minute(key.now.begins))
    yield number(t.number(key.origin))


def ceremonies(subject: Subject) -> Section:
    """The ledger, entry by entry, the newest first."""
    t = subject.t
    names = ("sequence", "when", "title", "actions", "approved", "head", "logged")
    columns = tuple(t(f"column.{name}") for name in names)
    rows = tuple(tuple(_ceremony(subject, entry)) for entry in reversed(subject.evidence.entries))
    title = t("section.ceremonies")
    table = Table(title, columns, rows, frozenset({0, 6}), look="ceremonies", stacks=True)
    return Section("ceremonies", title, t("lead.ceremonies"), (table,))


def _ceremony(subject: Subject, entry: Entry) -> Iterator[Cell]:
    t, plan = subject.t, entry.plan
    seen = subject.statistics.incidents.ceremonies.get(entry.sequence)
    yield number(str(entry.sequence))
    yield Cell(subject.clock.minute(entry.outcome.finished))
    yield Cell(visible(plan.title))
    yield Cell("\n".join(_actions(subject, plan.actions)))
    yield code(", ".join(visible(approval.person.id) for approval in entry.approvals))
    yield code(entry.head[:DIGITS])
    yield number("–" if seen is None else t.number(seen.record))


def _actions(subject: Subject, actions: Sequence[Action]) -> list[str]:
    """A line for each kind of action, with everything it was done to."""
    by_kind: dict[str, list[str]] = {}
    for action in actions:
        by_kind.setdefault(action_name(action), []).append(_object(action))
    return [
        visible(f"{subject.t(f'action.{kind}')} {_listed(subject, held)}".strip()) for kind, held in by_kind.items()
    ]


def _listed(subject: Subject, held: list[str]) -> str:
    rest = [subject.t("page.rest", count=len(held) - MOST_ACTIONS)] if len(held) > MOST_ACTIONS else []
    return ", ".join([*held[:MOST_ACTIONS], *rest])


def _object(action: Action) -> str:
    """What an action is about, unless its name says it already."""
    text = subject_of(action)
    return "" if text in ("roster", "policy") else text


def operation(subject: Subject) -> Section:
    """Events, as dots in time and as a list."""
    t, incidents = subject.t, subject.statistics.incidents
    title, events = t("section.operation"), list(incidents.events)
    if not events:
        return Section("operation", title, t("lead.operation_none"), ())
    picture = chart_events.strip(t, title, events, Axis(subject.bars(), chart_events.LEFT), subject.clock)
    shown = events[::-1][:MOST_EVENTS]
    left = incidents.all_events - len(shown)
    columns = tuple(t(f"column.{name}") for name in ("when", "event", "detail", "records"))
    rows = tuple(
        (
            Cell(subject.clock.second(event.mark.time)),
            Cell(t(f"event.{event.kind}"), mark="grave" if event.kind in chart_events.TROUBLE else ""),
            Cell(t(f"detail.{event.kind}", detail=event.detail)),
            number(t.number(event.mark.record)),
        )
        for event in shown
    )
    rest = t("page.rest", count=left) if left else ""
    table = Table(t("page.table"), columns, rows, frozenset({3}), folded=True, rest=rest)
    return Section("operation", title, t("lead.operation"), (Chart(title, picture, table),))


def cosignatures(subject: Subject) -> Section:
    """How fresh they are."""
    t, held = subject.t, subject.evidence.witnesses
    title = t("section.cosignatures")
    if not held:
        return Section("cosignatures", title, t("lead.cosignatures_none"), ())
    rules = subject.evidence.state.policy.log
    last = last_record(subject)
    picture = chart_fresh.gauge(t, title, held, last, rules.warn_seconds, rules.refuse_seconds)
    names = ("witness", "kind", "size", "time", "age_record", "age_now", "judgement")
    columns = tuple(t(f"column.{name}") for name in names)
    rows = tuple(tuple(_witness(subject, one, last)) for one in held)
    blocks: list[Block] = [Chart(title, picture, Table(title, columns, rows, frozenset({2}), stacks=True))]
    overdue = sum(n for (_, name), n in subject.statistics.refusals.items() if name == "cosignature_overdue")
    if overdue:
        blocks.append(Prose(t("fresh.refused", count=overdue)))
    return Section("cosignatures", title, t("lead.cosignatures"), tuple(blocks))


def last_record(subject: Subject) -> float:
    """When the log's last record in the period was written, in POSIX seconds."""
    last = subject.statistics.last
    return subject.made.timestamp() if last is None else posix(last.time)


def _witness(subject: Subject, one: Witnessed, last: float) -> Iterator[Cell]:
    t, rules = subject.t, subject.evidence.state.policy.log
    judged = freshness(one.time, last, rules.warn_seconds, rules.refuse_seconds)
    yield code(visible(one.name))
    yield Cell(one.kind)
    yield number("–" if one.size is None else t.number(one.size))
    if one.time is None:
        yield from (Cell("–"), Cell("–"), Cell("–"))
    else:
        moment = datetime.fromtimestamp(one.time, subject.clock.zone)
        yield Cell(f"{moment:%Y-%m-%d %H:%M:%S}")
        yield Cell(t.duration(max(last - one.time, 0.0)))
        yield Cell(t.duration(max(subject.made.timestamp() - one.time, 0.0)))
    yield Cell(t(f"fresh.{judged}"), mark="grave" if judged in ("late", "overdue", "none") else "")
