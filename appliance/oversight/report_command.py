"""``appliance oversight report``: an exported copy as one HTML page, to be looked at and printed."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from appliance.commandline import FAILED, visible
from appliance.oversight import files
from appliance.oversight.commands import options
from appliance.oversight.errors import OutputExists
from appliance.oversight.report.make import Report, Wanted, make
from appliance.oversight.report.words import LANGUAGES
from appliance.progress import bar

_HELP = """Write a report about the exported copy in DIR: one HTML page, for the screen and for paper.

What was converted, by whom and what for, day by day; refusals, disclosures, keys, ceremonies, cosignatures, and
whatever is unusual, with its numbers. Each record is proven to be under the checkpoint while it is counted; what does
not hold stands at the top of the page, and the exit code is then 1. The page fetches nothing and runs no script.

\b
appliance oversight report copy --anchor HEX -o report.html
appliance oversight report copy --anchor HEX -o houkoku.html --language ja --from 2026-04-01 --until 2026-06-30
"""


def _as_date(context: click.Context, parameter: click.Parameter, value: datetime | None) -> date | None:
    return None if value is None else value.date()


def _day(flag: str, name: str, text: str) -> options.Option[Any]:
    formats = click.DateTime(formats=["%Y-%m-%d"])
    return click.option(flag, name, type=formats, callback=_as_date, metavar="YYYY-MM-DD", help=text)


@click.command("report", help=_HELP)
@click.argument("folder", type=options.PATH, metavar="DIR")
@options.anchor()
@click.option("-o", "--out", type=options.PATH, required=True, metavar="FILE", help="The HTML file; it must be new.")
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Of the page.")
@click.option(
    "--timezone",
    default="Asia/Tokyo",
    show_default=True,
    metavar="ZONE",
    help="Whose days and nights are meant.",
)
@_day("--from", "first", "First day of the report; default: the log's first.")
@_day("--until", "last", "Last day of the report; default: the log's last.")
@click.option(
    "--order",
    "orders",
    type=options.PATH,
    multiple=True,
    metavar="FILE",
    help="A disclosure order to hold its use against.",
)
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
def report(folder: Path, anchor: str, out: Path, force: bool, **wanted: Any) -> int:
    """Write a report about the exported copy in DIR."""
    if out.exists() and not force:
        raise OutputExists(f"{out}: exists already; nothing is overwritten", "name another file, or add --force")
    with bar("reading", "records") as show:
        made = make(folder, anchor, Wanted(**wanted), progress=show)
    (files.replace if force else files.create)(out, made.page)
    click.echo(visible(_told(made, out)))
    for check in made.evidence.checks:
        if check.judgement == "bad":
            click.echo(visible(f"WRONG: {check.name}: {'; '.join(check.places)}"), err=True)
    return 0 if made.evidence.sound else FAILED


def _told(made: Report, out: Path) -> str:
    grave = sum(finding.grave for finding in made.findings)
    light = len(made.findings) - grave
    size = f"{len(made.page):,} bytes, {made.statistics.records:,} records"
    return f"Written: {out} ({size}): {grave} findings to be asked about, {light} for information"
