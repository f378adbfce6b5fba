"""``appliance card holders``: from the register's list of cards, the file by which a portal knows whose they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.errors import KagimoriError

if TYPE_CHECKING:
    from appliance.portal.signin.cardid import CardId
    from appliance.portal.signin.holders import Holder

COLUMNS = ("serial", "common_number", "name")
_PATH = click.Path(path_type=Path)


class HoldersRefused(KagimoriError):
    """The list of cards does not keep the rules. The message tells the line and the rule, never what stood there."""


@click.command("holders")
@click.argument("cards", type=_PATH)
@click.option("--authority", type=_PATH, required=True, help="The certificate of the authority of all these cards.")
@click.option("--out", type=_PATH, required=True, metavar="FILE", help="The file to make; it replaces the one there.")
def command(cards: Path, authority: Path, out: Path) -> None:
    """For the register's side: make the file of card holders from CARDS, a CSV file.

    Its columns: serial (of the certificate, hex), common_number, name. The file is made whole and put in the place of
    the one before; a portal that runs takes it in with the next sign-in.
    """
    from appliance.portal.signin import issuer  # noqa: PLC0415 -- the other commands need none of it
    from appliance.portal.signin.holders import write_holders  # noqa: PLC0415

    issued_by = issuer.load(authority)
    count = write_holders(out, _rows(cards, issued_by.key_der))
    click.echo(f"{count} cards in {out}")


def _rows(path: Path, authority_key: bytes) -> Iterator[tuple[CardId, Holder]]:
    from appliance.hubkit import csvlines  # noqa: PLC0415
    from appliance.hubkit.csvlines import LineRefused  # noqa: PLC0415

    with path.open("rb") as file:
        for number, line in csvlines.lines(file):
            try:
                if isinstance(line, LineRefused):
                    raise line
                row = csvlines.fields(line)
                if number > 1:
                    yield _row(row, authority_key)
                elif tuple(row) != COLUMNS:
                    raise LineRefused(f"the header must be {','.join(COLUMNS)}")
            except LineRefused as refused:
                raise HoldersRefused(f"cards {path}, line {number}: {refused}", refused.hint) from None


def _row(row: list[str], authority_key: bytes) -> tuple[CardId, Holder]:
    from appliance.hubkit.csvlines import LineRefused  # noqa: PLC0415
    from appliance.portal.signin.cardid import CardId  # noqa: PLC0415
    from appliance.portal.signin.holders import Holder, is_possible  # noqa: PLC0415
    from appliance.portal.signin.profile import LARGEST_SERIAL  # noqa: PLC0415

    if len(row) != len(COLUMNS):
        raise LineRefused(f"must have {len(COLUMNS)} fields, has {len(row)}")
    serial, common, name = row
    if not serial or serial.strip("0123456789abcdef") or not 0 < int(serial, 16) <= LARGEST_SERIAL:
        raise LineRefused("serial: not a certificate's serial number in hex, lower case")
    holder = Holder(common, name)
    if not is_possible(holder):
        raise LineRefused("common_number or name: not of a person")
    return CardId.of(authority_key, int(serial, 16)), holder
