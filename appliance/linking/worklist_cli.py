"""``appliance sector inquiries``, ``correct``, ``close``, ``reopen``: those who could not be linked, worked off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from appliance.hubkit.inquiries import Because
from appliance.linking import options
from appliance.linking.words import Language

# ruff: noqa: PLC0415 -- what works on a file is imported by the command that needs it


@click.command()
@options.file
@options.language
@click.option("--reason", metavar="R", help="Only those with this reason, such as several_residents.")
@click.option("--csv", "table", type=options.PATH, metavar="OUT", help="Write them into a table, with what is known.")
def inquiries(database: Path, language: Language, reason: str | None, table: Path | None) -> None:
    """List the people who could not be linked: since when, why, and what can be done.

    The table begins with the columns that `correct --csv` reads.
    """
    from appliance.linking import showing

    with options.opened(database) as sector:
        if table is None:
            for line in showing.inquiries(sector, reason, language):
                click.echo(line)
        else:
            click.echo(f"{table}: {showing.write_inquiries(sector, table, reason, language):,} people")


_CORRECT = """Correct what is known of a person (EXISTING, their existing number) or of all in a file.

Without options, everything is asked for, and what is stored is offered. Other users of this machine can see arguments,
so prefer to be asked, or a file. What was known before is kept with the date; whoever was asked about in vain is asked
about again.
"""


@click.command(help=_CORRECT)
@options.existing
@options.file
@click.option("--name", help="With any of these four, nothing is asked for.")
@click.option("--address")
@click.option("--birth-date", metavar="DATE", help="1970-01-31, 昭和45年1月31日, S45.1.31 …")
@click.option("--sex", help="男, 女, M, F, 1 or 2.")
@click.option("--csv", "source", type=options.PATH, metavar="FILE", help="The people of a file, as `load` reads it.")
@options.strict
@options.encoding
@options.rejects
@options.as_json
def correct(existing: str | None, database: Path, source: Path | None, as_json: bool, **given: Any) -> int:
    """Correct."""
    from appliance.linking import correcting, loading

    attributes = tuple(given[name] for name in ("name", "address", "birth_date", "sex"))
    if source is not None and (existing or any(attributes)):
        raise click.UsageError("either a file or one person")
    with options.opened(database) as sector:
        if source is not None:
            rejects = options.rejects_of(source, given["rejects"])
            done = loading.correct(sector, source, given["encoding"], rejects, strict=given["strict"])
        else:
            done = correcting.correct(sector, asked_for(existing), attributes, correcting.prompted)
    options.show(as_json, done, loading.text)
    return 1 if done.rejected else 0


@click.command()
@options.existing
@options.file
@click.option(
    "--because", type=click.Choice([str(reason) for reason in Because]), required=True, help="Why there is no number."
)
@click.option("--note", help="More about it, in one line; needed with `other`.")
def close(existing: str | None, database: Path, because: str, note: str | None) -> None:
    """End the inquiry about a person (EXISTING, asked for if left out) without a number.

    They are not asked about again, and an answer on its way does not count.
    """
    with options.opened(database) as sector:
        sector.inquiry_list.close(asked_for(existing), Because(because), note)
    click.echo(f"closed: {because}")


@click.command()
@options.existing
@options.file
def reopen(existing: str | None, database: Path) -> None:
    """Take up the closed inquiry about a person (EXISTING, asked for if left out) again."""
    with options.opened(database) as sector:
        sector.inquiry_list.reopen(asked_for(existing))
    click.echo("open again")


def asked_for(existing: str | None) -> str:
    """The existing number, from the terminal if it was no argument."""
    return existing or str(click.prompt("existing number", err=True))


COMMANDS = (inquiries, correct, close, reopen)
