"""``appliance bulk``: files of numbers converted, re-keyed or counted, by column."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from appliance.bulk import options

if TYPE_CHECKING:
    from appliance.bulk.summary import Summary

# What works on a job is imported by the command that needs it: loading numpy takes longer than most other commands do.
# ruff: noqa: PLC0415

_HELP = """Bulk jobs: one column of a CSV or Parquet file, in constant memory.

\b
convert   INPUT OUTPUT   from one domain to another
rekey     INPUT OUTPUT   from the old key generation to the new, each number asked back before it is written
census    INPUT OUTPUT   how many numbers are of which generation, as a document for the retire plan
resume    OUTPUT         go on with a job that was cut off
status    OUTPUT         how far it is
discard   OUTPUT         give it up, and remove what it has written

A job keeps everything unfinished in the folder OUTPUT.job; OUTPUT appears when it is complete and on the disk.
Step by step: docs/bulk.md
"""


@click.group("bulk", help=_HELP)
def bulk() -> None:
    """All commands."""


_CONVERT = """Convert the numbers of one column of INPUT, and write the rows to OUTPUT, all else untouched.

SOURCE and TARGET are domains such as sspin.B or generations such as sspin.B.1; a domain means its current generation
when the job begins, to the end of the job. Rows whose number cannot be converted are left out of OUTPUT and listed in
OUTPUT.rejects.csv (or --rejects) with the reason; the exit code is then 1. OUTPUT.summary.json says what became of all.

\b
appliance bulk convert people.csv people-e.csv --column number --from sspin.B --to sspin.E \\
  --purpose benefit-check --reference case-4711 --socket run/hub.sock
"""


@bulk.command("convert", help=_CONVERT)
@click.argument("input", type=options.PATH, metavar="INPUT")
@options.OUTPUT
@click.option("--from", "source", required=True, metavar="SOURCE", help="What the numbers are of now.")
@click.option("--to", "target", required=True, metavar="TARGET", help="What they shall be of.")
@options.empty
@options.dry_run
@options.shared
def convert(dry_run: bool, as_json: bool, **given: Any) -> int:
    """Convert one column."""
    return _begin("convert", given, dry_run, as_json)


_REKEY = """Re-key the numbers of one column: from the old key generation to the new one of the same domain.

Every new number is asked back, and must come back as the old one, before it is written; if one does not, the job stops
for good. Both generations must be active: re-key after the plan that activates the new key, before the one that
restricts the old. OUTPUT.census.json counts what is of which generation afterwards, for the plan that retires the old.

\b
appliance bulk rekey sector-c.csv sector-c.2.csv --column number --from sspin.C.1 --to sspin.C.2 \\
  --purpose re-keying --reference rotation-1 --socket run/rekey.sock
"""


@bulk.command("rekey", help=_REKEY)
@click.argument("input", type=options.PATH, metavar="INPUT")
@options.OUTPUT
@click.option("--from", "source", required=True, metavar="OLD", help="The old generation, such as sspin.C.1.")
@click.option("--to", "target", required=True, metavar="NEW", help="The new one, such as sspin.C.2.")
@options.empty
@options.dry_run
@options.shared
def rekey(dry_run: bool, as_json: bool, **given: Any) -> int:
    """Re-key one column."""
    return _begin("rekey", given, dry_run, as_json)


_CENSUS = """Count the numbers of one column of INPUT by key generation, and write the census (JSON) to OUTPUT.

A number counts for the newest of the generations that knows it. With --rejects, rows that are not of the newest are
listed there: the reason is the generation they are of, or why they are of none.

\b
appliance bulk census sector-c.csv census.json --column number --generations sspin.C.1,sspin.C.2 \\
  --purpose re-keying --reference rotation-1 --socket run/rekey.sock
"""


@bulk.command("census", help=_CENSUS)
@click.argument("input", type=options.PATH, metavar="INPUT")
@options.OUTPUT
@click.option("--generations", required=True, metavar="A,B,…", help="Generations of one domain, between commas.")
@options.dry_run
@options.shared
def census(dry_run: bool, as_json: bool, generations: str, **given: Any) -> int:
    """Count one column."""
    names = tuple(name.strip() for name in generations.split(","))
    return _begin("census", {**given, "generations": names}, dry_run, as_json)


@bulk.command()
@options.OUTPUT
@click.option("--socket", type=options.PATH, help="The role's socket, if it is not where it was.")
@click.option("--patience", type=click.FloatRange(min=0), metavar="SECONDS", help="Instead of the job's own.")
@options.as_json
def resume(output: Path, socket: Path | None, patience: float | None, as_json: bool) -> int:
    """Go on with the job for OUTPUT at its last checkpoint.

    What had been written up to there is neither converted nor written again; what was on its way is asked again. The
    input must be as it was.
    """
    from appliance.bulk import job

    return _ended(job.resume(output, socket, patience), as_json)


@bulk.command()
@options.OUTPUT
@options.as_json
def status(output: Path, as_json: bool) -> None:
    """How far the job for OUTPUT is. Needs no daemon."""
    from appliance.bulk import standing

    found = standing.standing(output.absolute())
    click.echo(msgspec.json.encode(found).decode() if as_json else standing.text(found))


@bulk.command()
@options.OUTPUT
@click.option("--yes", is_flag=True, help="Do not ask.")
def discard(output: Path, yes: bool) -> None:
    """Give up the job for OUTPUT: remove its folder with all that it has written so far. The input stays."""
    from appliance.bulk.folder import JobFolder

    folder = JobFolder(output.absolute())
    with folder.held():
        if not yes:
            click.confirm(f"Remove {folder.path} and everything in it?", abort=True, err=True)
        folder.remove()
    click.echo(f"{folder.path}: removed")


def _begin(kind: str, given: dict[str, Any], dry_run: bool, as_json: bool) -> int:
    from appliance.bulk import dryrun, job

    order = options.order(given.pop("order_path"))
    wanted = job.Wanted(kind=kind, order=order, format=given.pop("fmt"), **given)  # type: ignore[arg-type]  # one of three
    if not dry_run:
        return _ended(job.begin(wanted), as_json)
    seen = dryrun.look(wanted)
    click.echo(msgspec.json.encode(seen).decode() if as_json else dryrun.told(seen))
    return 1 if seen.lacking else 0


def _ended(done: Summary, as_json: bool) -> int:
    from appliance.bulk import summary

    click.echo(msgspec.json.encode(done).decode() if as_json else summary.text(done))
    return 1 if done.rejected and done.kind != "census" else 0
