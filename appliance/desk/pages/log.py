"""The log itself: what was verified, the checkpoint and its cosignatures, and how to verify it without this desk."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import UTC, datetime

from appliance.commandline import visible
from appliance.desk.blocks import Checks, Fact, Facts, Section, Verbatim
from appliance.desk.seen import Seen
from appliance.oversight.report import chart_fresh, sections_head, sections_trust
from appliance.oversight.report.blocks import Cell, Chart, Prose, Table, code, number
from appliance.oversight.report.blocks import Section as ReportSection
from appliance.oversight.report.witnesses import Witnessed, freshness

COPY = "copy"


def log(seen: Seen) -> tuple[Section | ReportSection, ...]:
    """Verification, checkpoint, cosignatures, operation, commands."""
    subject = seen.subject
    return (
        Section("checks", seen.t("logpage.checks"), "", (Checks(sections_head.checks(subject)),)),
        _checkpoint(seen),
        _cosignatures(seen),
        _witnesses(seen),
        sections_trust.operation(subject),
        _commands(seen),
    )


def _checkpoint(seen: Seen) -> Section:
    t, checkpoint = seen.t, seen.view.evidence.checkpoint
    facts = (
        Fact(t("logpage.origin"), checkpoint.origin),
        Fact(t("logpage.size"), t.number(checkpoint.size)),
        Fact(t("logpage.root"), checkpoint.root.hex()),
    )
    note = Verbatim(t("logpage.note"), seen.view.note.decode("utf-8", "replace"), folded=True)
    return Section("checkpoint", t("logpage.checkpoint"), "", (Facts(facts), note))


def _cosignatures(seen: Seen) -> Section:
    """How old they are now, which is what the daemon goes by; the report goes by the last record."""
    t, held, rules = seen.t, seen.view.evidence.witnesses, seen.view.evidence.state.policy.log
    title = t("section.cosignatures")
    if not held:
        return Section("cosignatures", title, t("lead.cosignatures_none"), ())
    picture = chart_fresh.gauge(t, title, held, seen.now.timestamp(), rules.warn_seconds, rules.refuse_seconds)
    columns = tuple(t(f"column.{name}") for name in ("witness", "kind", "size", "time", "age_now", "judgement"))
    rows = tuple(tuple(_witness(seen, one)) for one in held)
    chart = Chart(title, picture, Table(title, columns, rows, frozenset({2}), stacks=True))
    return Section("cosignatures", title, t("lead.cosignatures"), (chart,))


def _witness(seen: Seen, one: Witnessed) -> Iterator[Cell]:
    t, rules = seen.t, seen.view.evidence.state.policy.log
    judged = freshness(one.time, seen.now.timestamp(), rules.warn_seconds, rules.refuse_seconds)
    yield code(visible(one.name))
    yield Cell(one.kind)
    yield number("–" if one.size is None else t.number(one.size))
    if one.time is None:
        yield from (Cell("–"), Cell("–"))
    else:
        yield Cell(seen.moment(datetime.fromtimestamp(one.time, UTC)))
        yield Cell(t.duration(max(seen.now.timestamp() - one.time, 0.0)))
    yield Cell(t(f"fresh.{judged}"), mark="grave" if judged in ("late", "overdue", "none") else "")


def _witnesses(seen: Seen) -> Section:
    t, vkeys = seen.t, seen.view.evidence.state.policy.log.witnesses
    title = t("logpage.witnesses")
    if not vkeys:
        return Section("witnesses", title, "", (Prose(t("logpage.nobody")),))
    keys = tuple(Verbatim(vkey.partition("+")[0], vkey, folded=True) for vkey in vkeys)
    return Section("witnesses", title, "", keys)


def _commands(seen: Seen) -> Section:
    t, log = seen.t, seen.desk.log
    anchor, socket = ["--anchor", log.trust_anchor], ["--socket", str(log.socket)]
    keys = ["--keys", "witness-keys", "--state", "witness-state"]
    report = ["report", COPY, *anchor, "--language", t.language, "-o", "report.html"]
    commands = {
        "export": ["export", COPY, *socket, *anchor],
        "verify": ["verify", COPY, *anchor],
        "witness": ["witness", *keys, *anchor, *socket],
        "report": report,
    }
    blocks = tuple(
        Verbatim(t(f"logpage.{name}"), shlex.join(["appliance", "oversight", *words]), command=True)
        for name, words in commands.items()
    )
    return Section("commands", t("logpage.commands"), "", blocks)
