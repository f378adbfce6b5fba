"""``appliance sector``: what a sector's clerk does to get linkage numbers for the sector's people."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.linking import options, rekeyed_cli, worklist_cli
from appliance.linking.words import Language

# What works on a file is imported by the command that needs it: `appliance --help` shall not wait for it.
# ruff: noqa: PLC0415

_HELP = """A sector's linking: its people's linkage numbers, asked for and received in files.

\b
load       FILE.csv   enter people into the sector file
request               write a request for everybody who has no number
receive    ANSWER     store what the numbering authority answered
status                who is linked, who waits, who needs inquiry
inquiries             the list of those for inquiry
correct, close, reopen   work the list off
cancel     REFERENCE  wait no more for a request that was lost
export                a table of the numbers
rekey      TABLE      after a rotation of the key: the same table, re-keyed, taken back

Arguments of a command can be seen by every user of the machine; so what is known of a person is asked for, or comes in
a file. Step by step: docs/linking.md
"""


@click.group("sector", help=_HELP)
def sector() -> None:
    """All commands."""


@sector.command()
@click.argument("source", type=options.PATH, metavar="FILE.csv")
@options.file
@click.option("--sector", "letter", metavar="LETTER", help="The sector, such as C; needed for a new sector file.")
@click.option("--update", is_flag=True, help="Correct people whose attributes differ from those stored.")
@options.strict
@options.encoding
@options.rejects
@options.as_json
def load(
    source: Path,
    database: Path,
    letter: str | None,
    update: bool,
    strict: bool,
    encoding: str,
    rejects: Path | None,
    as_json: bool,
) -> int:
    """Enter the people of FILE.csv: existing,name,address,birth_date,sex, one person a line.

    Dates may be 1970-01-31, 昭和45年1月31日, S45.1.31 and the like; the sex 男, 女, M, F, 1 or 2. Lines that
    cannot be taken are listed with the reason, the others are taken; the exit code is then 1. Loading a file again
    changes nothing: people known already stay as they are, unless --update is given.
    """
    from appliance.linking import loading
    from appliance.linking.request import checked_letter

    with options.opened(database, letter if letter is None else checked_letter(letter)) as opened:
        done = loading.load(opened, source, encoding, options.rejects_of(source, rejects), strict=strict, update=update)
    options.show(as_json, done, loading.text)
    return 1 if done.rejected else 0


@sector.command()
@options.file
@click.option("--out", type=options.PATH, required=True, metavar="REQUEST", help="The request, a new file.")
@click.option("--reference", help="Your own note for the audit records, such as a case number; nothing about a person.")
@click.option("--corrected", is_flag=True, help="Only people who were corrected since they were asked about in vain.")
@click.option(
    "--most",
    type=click.IntRange(1, 1_000_000),
    default=1_000_000,
    show_default=True,
    metavar="N",
    help="People in one request at most; another request has the next ones.",
)
@options.as_json
def request(database: Path, out: Path, reference: str | None, corrected: bool, most: int, as_json: bool) -> None:
    """Write a request about everybody who has no linkage number, waits for none, and is not closed.

    It holds names and addresses: send it to the numbering authority by a way that nobody else reads or alters.
    """
    from appliance.linking import asking

    with options.opened(database) as opened:
        made = asking.ask(opened, out, reference, most, corrected=corrected)
    options.show(as_json, made, asking.told)


@sector.command()
@click.argument("answer", type=options.PATH, metavar="ANSWER")
@options.file
@options.as_json
def receive(answer: Path, database: Path, as_json: bool) -> None:
    """Store an answer: numbers, and the list for inquiry. All of it is stored, or nothing.

    Only an answer to a request that waits here is taken, and only once; receiving it again changes nothing.
    """
    from appliance.hubkit.linkrequests import AlreadyReceived
    from appliance.linking import asking

    with options.opened(database) as opened:
        try:
            done = asking.receive(opened, answer)
        except AlreadyReceived as error:
            click.echo('{"already_received":true}' if as_json else error.message)
            return
    options.show(as_json, done, asking.stored)


@sector.command()
@click.argument("reference")
@options.file
def cancel(reference: str, database: Path) -> None:
    """Wait no more for the answer to the request REFERENCE: it was lost, or the authority refused it.

    Its people can be asked about again; an answer that comes all the same is not taken.
    """
    with options.opened(database) as opened:
        opened.link_requests.cancel(reference)
    click.echo(f"{reference}: cancelled")


@sector.command()
@options.file
@options.language
@options.as_json
def status(database: Path, language: Language, as_json: bool) -> None:
    """Who is linked, who waits for an answer, who needs inquiry, and why."""
    from appliance.hubkit.standing import standing
    from appliance.linking import showing

    with options.opened(database) as opened:
        found = standing(opened)
    options.show(as_json, found, lambda it: showing.standing(it, language))


@sector.command()
@options.file
@click.option("--csv", "table", type=options.PATH, required=True, metavar="OUT", help="The table, a new file.")
def export(database: Path, table: Path) -> None:
    """Write existing number, linkage number and key generation of everybody who is linked, for the sector's systems."""
    from appliance.linking import showing

    with options.opened(database) as opened:
        count = showing.write_links(opened, table)
    click.echo(f"{table}: {count:,} people")


for command in (*worklist_cli.COMMANDS, rekeyed_cli.rekey):
    sector.add_command(command)
