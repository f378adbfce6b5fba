"""``keyceremony enroll``: a participant's key, certificate and card."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from appliance.ledger.roster import Person, PersonId, Role
from appliance.ledger.text import require_line
from keyceremony import screen
from keyceremony.commands.options import PATH, OwnKey, Where, with_own_key, with_where
from keyceremony.errors import UsageProblem
from keyceremony.people import cards, enroll, secrets
from keyceremony.workspace import check_absent


@click.command("enroll")
@click.option("--id", "person_id", required=True, metavar="ID", help="Short name, such as officer-1: a-z, 0-9 and -.")
@click.option("--name", required=True, metavar="NAME", help="The person's name, as read aloud at ceremonies.")
@click.option("--role", type=click.Choice(["officer", "oversight"]), required=True, help="What the person decides as.")
@click.option("--out", type=PATH, required=True, metavar="FILE", help="The card to write (never overwritten).")
@with_own_key
@with_where("module", "config")
def command(person_id: str, name: str, role: Role, out: Path, own: OwnKey, where: Where) -> None:
    """Enrol a participant: a new P-256 key and a self-signed certificate.

    The key is made on the person's own token (--token, with --module or --config), or kept as a new encrypted
    PEM file (--pem). The card (--out) holds nothing secret; bring it to the genesis, and note the sixteen
    words: they are compared there, so that nobody else's card is taken for yours.
    """
    _check_id(person_id)
    require_line("--name", name)
    check_absent(out)
    if own.pem is not None:
        check_absent(own.pem)
        passphrase = secrets.new_passphrase(own.pem, own.passphrase_file)
        person = enroll.as_pem(person_id, name, role, pem=own.pem, passphrase=passphrase, card=out)
    else:
        with own.open_token(where.module, writable=True) as token:
            person = enroll.on_token(person_id, name, role, token=token, card=out)
    _report(person, out)


def _check_id(person_id: str) -> None:
    try:
        msgspec.convert(person_id, PersonId)
    except msgspec.ValidationError:
        raise UsageProblem(f"--id {person_id}: 1 to 32 of a-z, 0-9 and -, a letter first", "officer-1, say") from None


def _report(person: Person, out: Path) -> None:
    console = screen.console()
    screen.line(console, f"Enrolled {person.id} ({person.name}) as {person.role}; card: {out}")
    screen.read_aloud(console, "The certificate", cards.fingerprint_words(person))
    screen.line(console, "Note these words by hand; they are compared at the genesis.")
