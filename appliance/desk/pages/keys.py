"""The keys: their lives as a picture, and a table of the same with ages and the tokens that hold copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from appliance.desk.blocks import Section
from appliance.desk.seen import Seen
from appliance.oversight.report import keystory, sections_trust
from appliance.oversight.report.blocks import Cell, Chart, Table, code, number
from appliance.oversight.report.keystory import DomainStory, KeyStory


def keys(seen: Seen) -> tuple[Section, ...]:
    """Every key."""
    made = sections_trust.keys(seen.subject)
    table = _table(seen)
    blocks = tuple(replace(block, table=table) if isinstance(block, Chart) else block for block in made.blocks)
    return (Section(made.name, made.title, made.lead, blocks),)


def _table(seen: Seen) -> Table:
    t = seen.t
    names = ("domain", "generation", "state", "age_state", "since", "age", "made", "made_by", "copies")
    columns = tuple(t(f"column.{name}") for name in names)
    stories = keystory.tell(seen.view.evidence.entries)
    rows = tuple(tuple(_key(seen, story, key)) for story in stories for key in story.keys)
    return Table(t("section.keys"), columns, rows, frozenset({7}), look="keys", stacks=True)


def _key(seen: Seen, story: DomainStory, key: KeyStory) -> Iterator[Cell]:
    t, clock = seen.t, seen.clock
    title = t(f"service.{story.name}") if story.service else seen.subject.domain_title(story.name)
    suspended = "grave" if key.now.state.value == "suspended" else "strong" if key.current else ""
    yield code(story.name, note=title)
    yield code(str(key.generation))
    yield Cell(t(f"state.{key.now.state.value}"), note=t("state.current") if key.current else "", mark=suspended)
    yield Cell(t.duration(seen.since(key.now.begins)))
    yield Cell(clock.minute(key.now.begins))
    yield Cell(t.duration(seen.since(key.spans[0].begins)))
    yield Cell(clock.minute(key.spans[0].begins))
    yield number(str(key.origin))
    yield code(", ".join(_copies(seen, key)) or "–")


def _copies(seen: Seen, key: KeyStory) -> list[str]:
    """The tokens that hold a copy, by the labels that the ledger gives them."""
    state = seen.view.evidence.state
    record = state.keys[key.generation]
    labels = {serial: backup.label for serial, backup in state.backups.items()}
    labels |= {serial: clone.label for serial, clone in state.clones.items()}
    return [labels.get(serial, serial) for serial in sorted({*record.copies, *record.clones})]
