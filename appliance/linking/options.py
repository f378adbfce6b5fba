"""Options that ``appliance sector`` and ``appliance numbering`` share, and how they show what came out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from appliance.linking.words import LANGUAGES

if TYPE_CHECKING:
    from appliance.hubkit.sector import Sector

PATH = click.Path(path_type=Path)

file = click.option(
    "--file",
    "database",
    type=PATH,
    required=True,
    envvar="KAGIMORI_SECTOR_FILE",
    help="The sector file (SQLite; or set KAGIMORI_SECTOR_FILE).",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, for a machine to read.")
language = click.option(
    "--language", type=click.Choice(LANGUAGES), default="ja", show_default=True, help="Of reasons and advice."
)
existing = click.argument("existing", required=False, metavar="[EXISTING]")
encoding = click.option(
    "--encoding",
    type=click.Choice(["utf-8", "cp932"]),
    default="utf-8",
    show_default=True,
    help="The CSV file's.",
)
rejects = click.option(
    "--rejects", type=PATH, metavar="FILE", help="Where lines left out are listed [default: the file's .rejects.csv]."
)
strict = click.option("--strict", is_flag=True, help="If any line cannot be taken, take none.")


def opened(database: Path, letter: str | None = None) -> Sector:
    """The sector file; made if a letter is given and it is not there."""
    from appliance.hubkit.sector import Sector  # noqa: PLC0415 -- `--help` need not wait for it

    return Sector(letter, database)


def rejects_of(source: Path, named: Path | None) -> Path:
    """Where lines left out of a file are listed."""
    return named or source.with_name(source.name + ".rejects.csv")


def show(as_json: bool, found: object, text: Callable[[Any], str]) -> None:
    """Print a result, as JSON or in words."""
    click.echo(msgspec.json.encode(found).decode() if as_json else text(found))
