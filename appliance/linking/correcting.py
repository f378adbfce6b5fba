"""``appliance sector correct``: one person's attributes put right."""

from __future__ import annotations

from collections.abc import Callable

import click

from appliance.hubkit.intake import Row, Taken
from appliance.hubkit.sector import Sector
from appliance.hubkit.sectorfile import SectorError
from appliance.linking.errors import LinkingError
from appliance.linking.loading import Loaded
from appliance.linking.people import COLUMNS, attributes_of
from appliance.matching.attributes import AttributesRefused

Ask = Callable[[str, str], str]  # what of, what is stored → what it shall be


def prompted(column: str, stored: str) -> str:
    """Ask at the terminal; what is stored is offered."""
    return str(click.prompt(column, default=stored, err=True))


def correct(sector: Sector, existing: str, given: tuple[str | None, ...], ask: Ask) -> Loaded:
    """Store what is given (name, address, birth date, sex); if nothing is, ``ask`` for each.

    Raises:
        SectorError: nobody here has this existing number, or the file cannot be written.
        LinkingError: an attribute cannot be.
    """
    stored = sector.one("SELECT name, address, birth_date, sex FROM person WHERE existing = ?", existing)
    if stored is None:
        raise SectorError(f"sector {sector.letter}: nobody here has this existing number")
    if any(given):
        wanted = [new or old for new, old in zip(given, stored, strict=True)]
    else:
        wanted = [ask(column, old) for column, old in zip(COLUMNS[1:], stored, strict=True)]
    try:
        row = Row(1, existing, attributes_of(*wanted))
    except AttributesRefused as refused:
        raise LinkingError(f"{refused}; nothing was stored") from None
    return _told(sector, sector.intake.correct([row], lambda taken: None))


def _told(sector: Sector, taken: Taken) -> Loaded:
    return Loaded(
        sector=sector.letter,
        lines=1,
        new=0,
        changed=taken.changed,
        updated=True,
        same=taken.same,
        rejected=0,
        rejects=None,
        otherwise={},
    )
