"""One record: every field of it, its bytes, and the hashes by which it is proven to stand in the log."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from appliance.audit.records import Record
from appliance.commandline import visible
from appliance.desk.blocks import Fact, Facts, Notice, Section, Verbatim
from appliance.desk.onerecord import Proven
from appliance.desk.words import DeskWords
from appliance.oversight.report.blocks import Cell, Prose, Table, code


def record(t: DeskWords, proven: Proven) -> tuple[Section, ...]:
    """What it says, and why it is believed."""
    title = t("recordpage.fields")
    columns = (t("column.field"), t("column.value"))
    fields = Table(title, columns, tuple(_fields(t, proven.record)), look="fields")
    checkpoint = proven.checkpoint
    facts = (
        Fact(t("recordpage.place"), proven.place),
        Fact(t("recordpage.leaf"), proven.leaf.hex()),
        Fact(t("recordpage.index"), str(proven.record.record - 1)),
        Fact(t("recordpage.size"), str(checkpoint.size)),
        Fact(t("recordpage.root"), checkpoint.root.hex()),
        Fact(t("page.log"), checkpoint.origin),
    )
    path = "\n".join(one.hex() for one in proven.proof) or t("recordpage.alone")
    return (
        Section("fields", title, "", (fields,)),
        Section(
            "proof",
            t("recordpage.proof"),
            "",
            (
                Prose(t("recordpage.proven")),
                Facts(facts),
                Verbatim(t("recordpage.path"), path),
                Verbatim(t("recordpage.bytes"), visible(proven.entry.decode("utf-8", "replace"))),
            ),
        ),
    )


def absent(t: DeskWords, why: str) -> tuple[Section, ...]:
    """Instead of a record that is not there, or not the log's."""
    return (Section("absent", t("recordpage.absent"), t("recordpage.absent_next"), (Notice("wait", why),)),)


def _fields(t: DeskWords, one: Record) -> Iterator[tuple[Cell, ...]]:
    yield Cell(t("field.kind")), code(str(type(one).__struct_config__.tag))
    for name in one.__struct_fields__:
        value = getattr(one, name)
        if value is not None:
            yield Cell(t.known(f"field.{name}") or name), code(_shown(value))


def _shown(value: object) -> str:
    if isinstance(value, tuple | list):
        return visible(", ".join(map(str, value)))
    return visible(value if isinstance(value, str) else msgspec.json.encode(value).decode("utf-8"))
