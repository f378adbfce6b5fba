"""``appliance oversight init``: the two keys of a new witness."""

from __future__ import annotations

import json
from pathlib import Path

import click

from appliance import hardening
from appliance.oversight.commands import options
from appliance.oversight.witness import keys, passphrase

_HELP = """Make the two keys of a witness in DIR, and print their public halves.

Both private keys are PEM files that nobody but you can read, encrypted with a passphrase that is asked for twice.
The two lines printed (DIR/vkeys) go into the ledger's policy, [log] witnesses. Nothing is ever overwritten.

\b
appliance oversight init witness-keys --name oversight.example/witness-1
"""


@click.command("init", help=_HELP)
@click.argument("folder", type=options.PATH, metavar="DIR")
@click.option(
    "--name", required=True, help="How the witness signs: a name such as oversight.example/witness-1, without spaces."
)
@options.passphrase_file
@click.option(
    "--no-passphrase", is_flag=True, help="Leave the private keys unencrypted, for a machine that nobody uses."
)
@options.as_json
def command(folder: Path, name: str, passphrase_file: Path | None, no_passphrase: bool, as_json: bool) -> None:
    """Make the two keys of a witness in DIR, and print their public halves."""
    if no_passphrase and passphrase_file is not None:
        raise click.UsageError("--no-passphrase and --passphrase-file exclude each other")
    hardening.forbid_reading()
    keys.require_none(folder)
    secret = None if no_passphrase else passphrase.new(passphrase_file, folder)
    made = keys.make(folder, name, secret)
    vkeys = [str(vkey) for vkey in made.vkeys]
    if as_json:
        click.echo(json.dumps({"folder": str(folder), "name": name, "witnesses": vkeys}))
        return
    click.echo(f"Keys of the witness {name} are in {folder}. Keep a copy of the folder in a safe place.")
    click.echo("These two lines are for the ledger's policy, [log] witnesses:")
    for vkey in vkeys:
        click.echo(vkey)
