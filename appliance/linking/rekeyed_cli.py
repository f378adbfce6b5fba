"""``appliance sector rekey``: between plan 1 and plan 2 of a rotation of the sector's key."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.linking import options


@click.command("rekey")
@click.argument("table", type=options.PATH, metavar="TABLE")
@options.file
@click.option("--to", "generation", required=True, metavar="GENERATION", help="The new key, such as sspin.C.2.")
@options.as_json
def rekey(table: Path, database: Path, generation: str, as_json: bool) -> None:
    """Store the numbers of a re-keyed TABLE in place of those stored: every one of them, or none.

    The TABLE is an export of this sector that `appliance bulk rekey --column number` has converted.
    """
    from appliance.linking import rekeyed  # noqa: PLC0415 -- `--help` need not wait for it

    with options.opened(database) as opened:
        done = rekeyed.take(opened, table, generation)
    options.show(as_json, done, rekeyed.text)
