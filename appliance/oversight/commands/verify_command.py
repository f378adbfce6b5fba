"""``appliance oversight verify``: an exported copy, verified offline; what is wrong with it, and where."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from appliance.commandline import FAILED, visible
from appliance.ledger import cms
from appliance.ledger import order as orders
from appliance.ledger.errors import LedgerError
from appliance.ledger.order import Order
from appliance.oversight import files
from appliance.oversight.commands import options, verified
from appliance.oversight.copy import head_of
from appliance.oversight.errors import PieceWrong
from appliance.oversight.source import LARGEST_NOTE
from appliance.oversight.verify.whole import Demands, verify
from appliance.progress import bar
from appliance.tlog import cosignature
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.errors import VerifierKeyInvalid
from appliance.tlog.note import VerifierKey

_LARGEST_KEYS = 64 * 1024

_HELP = """Verify everything about the exported copy in DIR, offline.

Every record, every tile of every level, the root, the checkpoint's signature by a log key of the ledger, the
cosignatures, the ledger itself from the trust anchor on, and whether the records tell a story that the ledger
allows. Everything that is wrong is listed with its place; the exit code is then 1.

\b
appliance oversight verify copy --anchor HEX --witness witness-keys/vkeys
"""


@click.command("verify", help=_HELP)
@click.argument("folder", type=options.PATH, metavar="DIR")
@options.anchor()
@click.option(
    "--witness",
    "witnesses",
    multiple=True,
    metavar="VKEY",
    help="A witness that must have co-signed: key, or file of keys.",
)
@click.option(
    "--order",
    "order_files",
    multiple=True,
    type=options.PATH,
    metavar="FILE",
    help="A disclosure order to hold its use against.",
)
@click.option(
    "--seen",
    "seen_files",
    multiple=True,
    type=options.PATH,
    metavar="FILE",
    help="A checkpoint from elsewhere that the log must have had.",
)
@click.option("--jobs", type=click.IntRange(min=1), default=os.cpu_count() or 1, show_default=True, help="Processes.")
@options.as_json
def command(
    folder: Path,
    anchor: str,
    witnesses: Sequence[str],
    order_files: Sequence[Path],
    seen_files: Sequence[Path],
    jobs: int,
    as_json: bool,
) -> int:
    """Verify everything about the exported copy in DIR, offline."""
    demands = Demands(_witnesses(witnesses), dict(map(_order, order_files)), dict(map(_seen, seen_files)))
    with bar("verifying", "records") as show:
        result = verify(folder, anchor, demands, jobs=jobs, show=show)
    lines = [json.dumps(verified.as_json(result))] if as_json else map(visible, verified.as_text(folder, result))
    click.echo("\n".join(lines))
    return 0 if result.clean else FAILED


def _witnesses(given: Sequence[str]) -> tuple[VerifierKey, ...]:
    """Keys as they were given, or out of files with one a line."""
    return tuple(key for one in given for key in _keys(one))


def _keys(one: str) -> Iterator[VerifierKey]:
    try:
        yield cosignature.cosigner(one)
    except VerifierKeyInvalid:
        if "+" in one or not Path(one).is_file():  # a key is too long for a file name
            raise
        lines = files.read(Path(one), _LARGEST_KEYS).decode("utf-8", "replace").splitlines()
        yield from map(cosignature.cosigner, lines)


def _order(path: Path) -> tuple[str, Order]:
    """A signed order and its digest. Who signed it is the engine's business; what it says is held against the log."""
    try:
        content = cms.verify(files.read(path, orders.MAXIMUM_SIZE)).content
        return orders.digest(content), orders.parse(content)
    except LedgerError as error:
        raise PieceWrong(f"{path}: no disclosure order: {error.message}") from None


def _seen(path: Path) -> tuple[str, Checkpoint]:
    return str(path), head_of(files.read(path, LARGEST_NOTE), str(path))
