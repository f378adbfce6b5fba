"""Looking into the pages of the desk, before they are rendered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from appliance.desk.blocks import Light, Lights
from appliance.desk.pages import overview
from appliance.desk.seen import Seen
from appliance.oversight.report.blocks import Chart, Table


def tables(sections: tuple[Any, ...]) -> Iterator[Table]:
    """Every table of a page, those behind pictures as well."""
    for section in sections:
        for block in section.blocks:
            if isinstance(block, Table):
                yield block
            elif isinstance(block, Chart):
                yield block.table


def texts(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def light(here: Seen, name: str) -> Light:
    """One fact of the overview."""
    (section,) = overview.overview(here)
    (block,) = section.blocks
    assert isinstance(block, Lights)
    (found,) = [one for one in block.lights if one.name == here.t(f"light.{name}")]
    return found
