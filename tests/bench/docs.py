"""What of docs/performance.md comes from bench.json: tables between markers, and one SVG for each curve.

A table stands between ``<!-- bench: NAME -->`` and ``<!-- /bench -->``; all else on the page is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.bench import table
from tests.bench.chart import draw
from tests.bench.figures import SCHEMA, Curve, Figure
from tests.world import PROJECT

PAGE = PROJECT / "docs" / "performance.md"
PICTURES = PROJECT / "docs" / "performance"
HEADS = {
    "numbers": "verified conversions B → E",
    "requests": "single requests, JSON, audit on",
    "lanes": "two lanes at once",
    "audit": "what the audit costs",
    "history": "one person's history, files put out of memory first",
    "memory": "peak memory over all of it",
}
_PART = re.compile(r"(<!-- bench: (\w+) -->\n).*?(<!-- /bench -->)", re.DOTALL)


def write_docs(document: Mapping[str, Any], page: Path = PAGE, pictures: Path = PICTURES) -> None:
    """Tables and pictures anew; parts that were not measured stay as they are.

    Raises:
        SystemExit: the document is of another schema.
    """
    if document["schema"] != SCHEMA:
        raise SystemExit(f"bench: {document['schema']} is not {SCHEMA}")
    parts = tables(document)
    text = page.read_text(encoding="utf-8")
    page.write_text(_PART.sub(lambda found: _part(found, parts), text), encoding="utf-8")
    pictures.mkdir(exist_ok=True)
    for one in document["curves"]:
        (pictures / f"{one['name']}.svg").write_text(draw(Curve.of(one)), encoding="utf-8")


def replace_part(name: str, body: str, page: Path = PAGE) -> None:
    """One part of the page anew."""
    text = page.read_text(encoding="utf-8")
    page.write_text(_PART.sub(lambda found: _part(found, {name: body}), text), encoding="utf-8")


def _part(found: re.Match[str], parts: Mapping[str, str]) -> str:
    begin, name, end = found.groups()
    return f"{begin}{parts[name]}{end}" if name in parts else found.group()


def tables(document: Mapping[str, Any]) -> dict[str, str]:
    """Markdown by the name of the part: ``machine``, and one for each group of figures."""
    figures = [Figure.of(one) for one in document["figures"]]
    parts = {"machine": _machine(document)}
    for group, head in HEADS.items():
        mine = [figure for figure in figures if figure.group == group]
        if mine:
            parts[group] = _table(head, mine)
    return parts


def _table(head: str, figures: Iterable[Figure]) -> str:
    rows = [(head, "seen", "as a ratio", "goal"), ("---", "--:", "--:", "---"), *table.rows(figures)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def _machine(document: Mapping[str, Any]) -> str:
    machine, versions = document["machine"], document["versions"]
    libraries = ", ".join(f"{name} {version}" for name, version in versions.items())
    where = f"{machine['processor']}, {machine['cores']} cores, {machine['memory']}, {machine['system']}"
    return f"Measured {document['began'][:10]} ({document['effort']} run) on {where}; {libraries}.\n"
