"""The plans on their way: what each would do, who has approved, who is missing, and exactly what they type."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import datetime

from appliance.commandline import visible
from appliance.desk.blocks import Aloud, Block, Fact, Facts, Notice, Section, Verbatim
from appliance.desk.ceremonies import Body, Ceremonies, Plan, Waiting
from appliance.desk.seen import Seen
from appliance.oversight.report.blocks import Cell, Prose, Table, code

OURS = "oversight"
MOST_STRANGE = 10


def plans(seen: Seen) -> tuple[Section, ...]:
    """Every plan."""
    t, found = seen.t, seen.standing.ceremonies
    title = t("nav.plans")
    if seen.desk.ceremony is None:
        return (Section("plans", title, "", (Notice("plain", t("plan.unset")),)),)
    if found is None:
        return (Section("plans", title, "", (Notice("wait", t("plan.not_asked")),)),)
    sections = tuple(_plan(seen, one) for one in found.waiting)
    about = tuple(_about(seen, found))
    return (Section("plans", title, _as_of(seen), about), *sections) if about or not sections else sections


def ours(seen: Seen, plan: Plan) -> list[str]:
    """Who of oversight, or of the people whom the settings name, may still approve where approvals are missing."""
    named = seen.desk.ceremony.people if seen.desk.ceremony else ()
    return [person for person, role in plan.missing().items() if (person in named if named else role == OURS)]


def _as_of(seen: Seen) -> str:
    return "" if seen.standing.asked is None else seen.t("plan.as_of", at=seen.moment(seen.standing.asked))


def _about(seen: Seen, found: Ceremonies) -> Iterator[Block]:
    t = seen.t
    if found.cut_off:
        yield Notice("bad", t("plan.cut", journal=found.cut_off))
    for what in found.unreadable[:MOST_STRANGE]:
        yield Notice("wait", t("plan.unreadable", what=what))
    if not found.waiting:
        yield Prose(t("plan.none"))


def _plan(seen: Seen, waiting: Waiting) -> Section:
    plan = waiting.plan
    title = seen.t("plan.title", sequence=plan.sequence, title=plan.title)
    return Section(f"plan-{plan.sequence}", title, _as_of(seen), tuple(_blocks(seen, waiting)))


def _blocks(seen: Seen, waiting: Waiting) -> Iterator[Block]:
    t, plan = seen.t, waiting.plan
    if plan.impossible:
        yield Notice("bad", t("plan.impossible", why=plan.impossible))
    yield _standing(seen, plan)
    yield Facts(tuple(_facts(seen, plan)))
    if waiting.shown is not None:
        yield Aloud(t("plan.aloud"), waiting.shown.words)
    for body in plan.bodies:
        yield _people(seen, body)
    if plan.refusals:
        yield _refusals(seen, plan)
    for what in plan.does_not_count[:MOST_STRANGE]:
        yield Notice("wait", t("plan.strange", what=what))
    if waiting.shown is None:
        yield Notice("bad", t("plan.untold", why=waiting.untold))
    else:
        yield Verbatim(t("plan.text"), _as_shown(waiting.shown.text))
    yield from _commands(seen, plan)


def _standing(seen: Seen, plan: Plan) -> Notice:
    t = seen.t
    short: dict[str, int] = {}
    for body in plan.bodies:
        for role, count in body.missing.items():
            short[role] = max(short.get(role, 0), count)
    parts = [t("plan.missing_part", role=_role(seen, role), count=count) for role, count in short.items() if count]
    if not parts:
        return Notice("plain", t("plan.enough"))
    return Notice("wait" if ours(seen, plan) else "plain", t("plan.missing", who=t("plan.join").join(parts)))


def _role(seen: Seen, role: str) -> str:
    return seen.t.known(f"plan.{role}") or visible(role)


def _facts(seen: Seen, plan: Plan) -> Iterator[Fact]:
    t = seen.t
    yield Fact(t("plan.digest"), plan.digest)
    yield Fact(t("plan.expires"), _expires(seen, plan.expires), code=False)
    yield Fact(t("plan.file"), visible(plan.file))


def _expires(seen: Seen, instant: str) -> str:
    t, ends = seen.t, datetime.fromisoformat(instant)
    left = (ends - seen.now).total_seconds()
    if left <= 0:
        return t("plan.expired", at=seen.moment(ends))
    return t("plan.expires_in", at=seen.moment(ends), left=t.duration(left))


def _people(seen: Seen, body: Body) -> Table:
    t = seen.t
    columns = tuple(t(f"column.{name}") for name in ("person", "role_of", "decision", "when"))
    caption = t("plan.who") if body.body == "roster" else t("plan.who_body", body=body.body)
    return Table(caption, columns, tuple(_rows(seen, body)), heading=caption, stacks=True)


def _rows(seen: Seen, body: Body) -> Iterator[tuple[Cell, ...]]:
    t = seen.t
    for one in body.approved:
        when = Cell(seen.moment(datetime.fromisoformat(one.at)))
        yield code(visible(one.person)), Cell(_role(seen, one.role)), Cell(t("plan.approved"), mark="strong"), when
    for role, people in body.remaining.items():
        if count := body.missing.get(role):
            for person in people:
                yield code(visible(person)), Cell(_role(seen, role)), Cell(t("plan.may", count=count)), Cell("–")


def _refusals(seen: Seen, plan: Plan) -> Table:
    t = seen.t
    columns = tuple(t(f"column.{name}") for name in ("person", "when", "reason"))
    rows = tuple(
        (code(visible(one.person)), Cell(seen.moment(datetime.fromisoformat(one.at))), Cell(visible(one.reason)))
        for one in plan.refusals
    )
    return Table(t("plan.refusals"), columns, rows, heading=t("plan.refusals"), stacks=True)


def _as_shown(text: str) -> str:
    """With whatever is hidden in it visible; only the lines stay lines."""
    return "\n".join(visible(line) for line in text.splitlines())


def _commands(seen: Seen, plan: Plan) -> Iterator[Block]:
    """For each person who is missing the whole command; oversight's own people first."""
    t, config = seen.t, [] if seen.desk.ceremony is None else ["--config", str(seen.desk.ceremony.config)]
    mine = ours(seen, plan)
    people = [*mine, *(person for person in plan.missing() if person not in mine)]
    for person in people:
        words = ["keyceremony", "approve", plan.file, "--as", person, "--token", person, *config]
        yield Verbatim(t("plan.command", person=person), shlex.join(words), command=True)
    if people:
        yield Prose(t("plan.refuse"))
    show = ["keyceremony", "show", plan.file, *config]
    yield Verbatim(t("plan.show"), shlex.join(show), command=True)
