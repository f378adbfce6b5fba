"""``appliance oversight export``: a copy of the log, to be carried away and verified elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import click

from appliance.oversight import files
from appliance.oversight.commands import options
from appliance.oversight.export import Export, Exported
from appliance.progress import bar

_HELP = """Copy the log into DIR, or bring the copy there up to date.

Only what is new is fetched; every piece is held against the checkpoint before it is kept, and the checkpoint is
replaced last. A log that does not go on from the copy is refused (exit code 1), and the copy stays as it is. With
--anchor the ledger and the checkpoint's signature are verified as well.

\b
appliance oversight export copy --socket run/oversight.sock --anchor HEX
"""


@click.command("export", help=_HELP)
@click.argument("folder", type=options.PATH, metavar="DIR")
@options.socket()
@options.anchor(required=False)
@options.as_json
def command(folder: Path, socket_path: Path, anchor: str | None, as_json: bool) -> None:
    """Copy the log into DIR, or bring the copy there up to date."""
    files.make_folder(folder)
    with files.locked(folder), options.connected(socket_path) as (_, remote), bar("copying", "pieces") as show:
        done = Export(remote, folder, anchor).run(show)
    click.echo(json.dumps(_as_json(done)) if as_json else _as_text(folder, done))


def _as_json(done: Exported) -> dict[str, object]:
    return {
        "origin": done.checkpoint.origin,
        "size": done.checkpoint.size,
        "root": done.checkpoint.root.hex(),
        "before": done.before,
        "fetched": done.fetched,
        "pruned_bundles": done.pruned,
        "cosigned_size": done.cosigned,
        "signed_by": done.key,
    }


def _as_text(folder: Path, done: Exported) -> str:
    signed = f"signed by {done.key}" if done.key else "signature NOT verified (no --anchor was given)"
    cosigned = "no cosignatures yet" if done.cosigned is None else f"co-signed up to {done.cosigned}"
    size = done.checkpoint.size
    lines = [
        f"{folder}: {size} records of {done.checkpoint.origin}, {size - done.before} new",
        f"checkpoint  root {done.checkpoint.root.hex()}, {signed}, {cosigned}",
        f"fetched     {done.fetched} tiles and bundles",
    ]
    if done.pruned:
        lines.append(f"pruned      {done.pruned} bundles are older than the retention and were not to be had")
    return "\n".join(lines)
