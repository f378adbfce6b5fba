"""``keyceremony pin split`` and ``join``: the token's PIN under dual control of k of n officers."""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click
import msgspec

from appliance.configuration import read_pin
from appliance.ledger.roster import PersonId
from appliance.token import pins
from keyceremony import screen, workspace
from keyceremony.commands.options import PATH, Where, with_where
from keyceremony.errors import ShareRefused, UsageProblem
from keyceremony.people import secrets
from keyceremony.pin import pincontrol, pinshares, pinterminal

_serial = click.option("--serial", metavar="S", help="Its serial number, should two tokens have one label.")
_LOGIN = (
    click.option("--pin-file", type=PATH, metavar="FILE", help="A file with the present PIN; else it is asked for."),
    click.option("--so", is_flag=True, help="Set the PIN as the token's security officer, without the present PIN."),
    click.option("--so-pin-file", type=PATH, metavar="FILE", help="A file with the SO PIN; else it is asked for."),
)


@dataclass(frozen=True)
class Login:
    """Who sets the PIN: whoever has the present one, or the token's security officer (``so``)."""

    pin_file: Path | None
    so: bool
    so_pin_file: Path | None

    def __post_init__(self) -> None:
        if self.so and self.pin_file is not None:
            raise UsageProblem("--so and --pin-file do not go together", "the security officer needs --so-pin-file")
        if not self.so and self.so_pin_file is not None:
            raise UsageProblem("--so-pin-file needs --so", "or give the present PIN with --pin-file")

    def open(self, module: Path, label: str, serial: str | None) -> AbstractContextManager[pins.PinSetter]:
        """The session that sets the PIN; the PIN to log in with is asked for once."""
        if not self.so:
            return pins.changing(module, label=label, serial=serial, pin=secrets.pin_for(label, self.pin_file))
        file = self.so_pin_file
        so_pin = read_pin(file) if file else secrets.ask(f"Security officer's (SO) PIN of token {label}")
        return pins.initialising(module, label=label, serial=serial, so_pin=so_pin)


def _with_login(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options of a `Login`, which it gets as ``login``."""

    @functools.wraps(command)
    def gathered(**given: Any) -> Any:
        login = Login(**{field.name: given.pop(field.name) for field in fields(Login)})
        return command(login=login, **given)

    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(_LOGIN), gathered)


@click.group("pin")
def command() -> None:
    """Deal the token's PIN to officers, k of n, and put it together again."""


@command.command("split")
@click.option("--token", required=True, metavar="LABEL", help="The token that gets a new user PIN.")
@_serial
@click.option("--threshold", type=int, required=True, metavar="K", help="How many officers make the PIN; 2 or more.")
@click.option("--to", "officers", multiple=True, required=True, metavar="NAME", help="An officer; once for each.")
@click.option(
    "--out-dir", type=PATH, metavar="DIR", help="Write DIR/NAME.share; else each sees theirs at the terminal."
)
@click.option("--bits", type=click.Choice(["128", "256"]), default="128", show_default=True, help="Size of the secret.")
@_with_login
@with_where("module", "config")
def split(
    token: str,
    serial: str | None,
    threshold: int,
    officers: tuple[str, ...],
    out_dir: Path | None,
    bits: str,
    login: Login,
    where: Where,
) -> None:
    """Give the token a new PIN that no one person knows.

    The PIN is random and never shown. Its shares are safe with the officers (as files of mode 0400, or written down and
    proved at the terminal) and put together once as a check, before the token's PIN changes. A login with the new PIN
    is the end of it.
    """
    _check_officers(officers, threshold)
    module = where.module
    if out_dir is None:
        pinterminal.require_screen()
    else:
        pincontrol.require_room(out_dir, officers)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the screen is wiped
    secret = pinshares.new_secret(int(bits))
    with login.open(module, token, serial) as setter:
        shares = pinshares.deal(secret, threshold, officers, token=setter.label, serial=setter.serial)
        pincontrol.split(setter, secret, shares, out_dir)
    pincontrol.prove(module, label=setter.label, serial=setter.serial, secret=secret)
    _report(setter, threshold, officers, out_dir)


def _check_officers(officers: Sequence[str], threshold: int) -> None:
    for name in officers:
        try:
            msgspec.convert(name, PersonId)
        except msgspec.ValidationError:
            raise UsageProblem(f"--to {name}: 1 to 32 of a-z, 0-9 and -, a letter first", "officer-1, say") from None
    if twice := next((name for name in officers if officers.count(name) > 1), None):
        raise UsageProblem(f"--to {twice} is given twice", "one share for each officer")
    if not pinshares.SMALLEST_THRESHOLD <= threshold <= len(officers) <= pinshares.MOST_OFFICERS:
        raise UsageProblem(
            f"--threshold {threshold} with {len(officers)} officers: cannot be",
            f"2 or more must be needed, no more than there are, and {pinshares.MOST_OFFICERS} officers at most",
        )


def _report(setter: pins.PinSetter, threshold: int, officers: Sequence[str], out_dir: Path | None) -> None:
    out = screen.console()
    screen.line(out, f"Token {setter.label} (serial {setter.serial}) has a new user PIN; a login with it worked.")
    screen.line(out, f"Any {threshold} of these {len(officers)} make it:")
    for officer in officers:
        screen.line(
            out, f"   {officer}" if out_dir is None else f"   {officer}  {pincontrol.path_of(out_dir, officer)}"
        )
    if out_dir is not None:
        screen.line(out, "Give each officer their file on a medium of their own, then destroy those here.")
    screen.line(out, "Next: keyceremony pin join, wherever the PIN is needed")


@command.command("join")
@click.argument("shares", type=PATH, nargs=-1, metavar="[SHARE]...")
@click.option("--out", type=PATH, required=True, metavar="FILE", help="The PIN's file to write (mode 0400).")
@click.option("--token", metavar="LABEL", help="Try the PIN on this token, once, before it is written.")
@_serial
@with_where("module", "config")
def join(shares: tuple[Path, ...], out: Path, token: str | None, serial: str | None, where: Where) -> None:
    """Put the PIN together from SHARE files, or from shares typed at the terminal, and write it to a file.

    The PIN is never shown. Put it where the daemon expects it (docs/configuration.md), in memory rather than on a disk.
    """
    workspace.check_absent(out)
    module = where.module if token or serial else None
    words, serial = _from_files(shares, token, serial) if shares else (_typed(), serial)
    pin = pinshares.pin_of(pinshares.combine(words))
    if module is not None:
        pincontrol.require_right(module, label=token, serial=serial, pin=pin)
    pincontrol.write_pin(out, pin)
    proved = "the token took it" if module is not None else "not tried on a token"
    screen.line(screen.console(), f"The PIN is in {out} (mode 0400); {proved}.")


def _typed() -> list[str]:
    pinterminal.require_one("type shares", "name share files")
    return pinterminal.collect()


def _from_files(paths: Sequence[Path], token: str | None, serial: str | None) -> tuple[list[str], str | None]:
    """The words, and the serial number to look for: a PIN of another token is not even tried."""
    shares = pincontrol.from_files(paths)
    first = shares[0]
    if token not in (None, first.token) or serial not in (None, first.serial):
        raise ShareRefused(
            f"these shares are for token {first.token}, serial {first.serial}, not for {token or serial}",
            "nothing was tried; name the right token, or bring its shares",
        )
    return [share.words for share in shares], first.serial if token or serial else None
