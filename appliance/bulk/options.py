"""Options that the commands of ``appliance bulk`` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from appliance.bulk.errors import JobUnusable

Command = TypeVar("Command", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)
OUTPUT = click.argument("output", type=PATH, metavar="OUTPUT")

socket = click.option(
    "--socket",
    type=PATH,
    required=True,
    envvar="KAGIMORI_SOCKET",
    help="The socket of your role (or set KAGIMORI_SOCKET).",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, for a machine to read.")
dry_run = click.option(
    "--dry-run",
    is_flag=True,
    help="Read the whole input, ask the daemon for rights and generations, look for room on the disk; send no number.",
)
empty = click.option(
    "--empty",
    type=click.Choice(["reject", "keep"]),
    default="reject",
    show_default=True,
    help="What becomes of rows whose cell is empty.",
)
patience = click.option(
    "--patience",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    default=300.0,
    show_default=True,
    help="How long to try again while the daemon is away or refuses for the moment.",
)

_SHARED = (
    click.option("--column", required=True, metavar="NAME", help="The column with the numbers, as in the header."),
    socket,
    click.option("--purpose", required=True, help="What for; one of the purposes that the policy gives your role."),
    click.option("--reference", required=True, help="Your own note for the audit records, such as a case number."),
    click.option(
        "--order", "order_path", type=PATH, metavar="FILE", help="A disclosure order, if the conversion needs one."
    ),
    click.option("--rejects", type=PATH, metavar="FILE", help="Where rows left out are listed, with the reason (CSV)."),
    click.option(
        "--format",
        "fmt",
        type=click.Choice(["csv", "parquet"]),
        help="The input's format, if its name does not end in .csv, .tsv or .parquet.",
    ),
    click.option("--delimiter", metavar="CHARACTER", help="CSV: what is between cells: , ; or tab. [default: ,]"),
    click.option("--encoding", default="utf-8", show_default=True, help="CSV: the header's encoding, such as cp932."),
    click.option(
        "--segment",
        type=click.IntRange(min=1),
        metavar="ROWS",
        default=65_536,
        show_default=True,
        help="Rows converted and written at once, at most; a checkpoint after each.",
    ),
    click.option(
        "--connections",
        type=click.IntRange(1, 16),
        metavar="N",
        default=2,
        show_default=True,
        help="Segments under way at once.",
    ),
    patience,
    as_json,
)


def shared(command: Command) -> Command:
    """The options of every job."""
    for option in reversed(_SHARED):
        command = option(command)
    return command


def order(path: Path | None) -> bytes:
    """The bytes of a disclosure order.

    Raises:
        JobUnusable: the file cannot be read.
    """
    try:
        return b"" if path is None else path.read_bytes()
    except OSError as error:
        raise JobUnusable(f"order {path}: {error.strerror}", "name the file .order.cms of the order") from None
