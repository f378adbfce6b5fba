"""Options that several commands share, and how they and the configuration file are put together.

What is given on the command line wins over ``--config``. Secrets are never options: only names of files are.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import click

from appliance import configuration
from appliance.token.token import Token
from keyceremony.errors import UsageProblem
from keyceremony.people import secrets

T = TypeVar("T")
Command = Callable[..., Any]
PATH = click.Path(path_type=Path)
_ANCHOR = re.compile(r"[0-9a-f]{64}", re.ASCII)
_OPTIONS: dict[str, Callable[[Command], Command]] = {
    "config": click.option(
        "--config", type=PATH, metavar="FILE", help="kagimori.toml: defaults for ledger, anchor, module and token."
    ),
    "ledger": click.option("--ledger", type=PATH, metavar="DIR", help="The ledger's folder."),
    "anchor": click.option(
        "--anchor", metavar="HEX", help="The trust anchor: SHA-256 of the genesis plan, as read aloud at the genesis."
    ),
    "module": click.option("--module", type=PATH, metavar="PATH", help="The PKCS#11 module of the token."),
    "token": click.option("--token", metavar="LABEL", help="The appliance's token, as the ledger names it."),
    "pin_file": click.option(
        "--pin-file",
        type=PATH,
        metavar="FILE",
        help="A file with the PIN, readable by you alone; else it is asked for.",
    ),
}
_OWN_KEY = (
    click.option("--token", metavar="LABEL", help="The person's own token."),
    click.option("--serial", metavar="S", help="Its serial number, should two tokens have one label."),
    _OPTIONS["pin_file"],
    click.option(
        "--pem", type=PATH, metavar="FILE", help="Instead of a token: the person's key as an encrypted PEM file."
    ),
    click.option("--passphrase-file", type=PATH, metavar="FILE", help="The PEM's passphrase; else it is asked for."),
)


@dataclass(frozen=True)
class Where:
    """Which ledger and which appliance token; the command line's words first, then the configuration's."""

    config: Path | None = None
    ledger_given: Path | None = None
    anchor_given: str | None = None
    module_given: Path | None = None
    token_given: str | None = None
    pin_file_given: Path | None = None

    @functools.cached_property
    def _file(self) -> configuration.Configuration | None:
        return configuration.load(self.config) if self.config else None

    def _pick(self, given: T | None, from_file: Callable[[configuration.Configuration], T | None]) -> T | None:
        file = self._file
        return given if given is not None or file is None else from_file(file)

    @property
    def ledger(self) -> Path:
        """The ledger's folder."""
        return _needed(self.ledger_if_given, "--ledger")

    @property
    def ledger_if_given(self) -> Path | None:
        """The ledger's folder, or None when neither option nor configuration has it."""
        return self._pick(self.ledger_given, lambda file: file.ledger.directory)

    @property
    def anchor(self) -> str:
        """The trust anchor, 64 lower-case hex digits."""
        return _needed(self.anchor_if_given, "--anchor")

    @property
    def anchor_if_given(self) -> str | None:
        """The trust anchor, or None when neither option nor configuration has it."""
        anchor = self._pick(self.anchor_given, lambda file: file.ledger.trust_anchor)
        if anchor is not None and _ANCHOR.fullmatch(anchor) is None:
            raise UsageProblem("the trust anchor is not 64 hexadecimal digits in lower case", "copy it whole")
        return anchor

    @property
    def module(self) -> Path:
        """The PKCS#11 module."""
        return _needed(self._pick(self.module_given, lambda file: file.token.module), "--module")

    @property
    def token_if_given(self) -> str | None:
        """The appliance token's label, or None when neither option nor configuration has it."""
        return self._pick(self.token_given, lambda file: file.token.label)

    @property
    def pin_file(self) -> Path | None:
        """The PIN's file, or None: ask, since people run ceremonies and a systemd credential is a service's."""
        return self._pick(self.pin_file_given, lambda file: file.token.pin_file)

    def arguments(self, *, with_module: bool) -> list[str]:
        """Where the ledger is, as arguments of another command line."""
        given = {
            "--config": self.config,
            "--ledger": self.ledger_given,
            "--anchor": self.anchor_given,
            "--module": self.module_given if with_module else None,
        }
        return [word for name, value in given.items() if value is not None for word in (name, str(value))]


def _needed(value: T | None, option: str) -> T:
    if value is None:
        raise UsageProblem(f"{option} is missing", f"give {option}, or --config FILE")
    return value


def with_where(*names: str) -> Callable[[Command], Command]:
    """Gives a command these shared options; it gets them as one argument ``where``."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def gathered(**given: Any) -> Any:
            shared = {name if name == "config" else f"{name}_given": given.pop(name) for name in names}
            return command(where=Where(**shared), **given)

        return _with(gathered, [_OPTIONS[name] for name in names])

    return decorate


@dataclass(frozen=True)
class OwnKey:
    """Where a participant's own key is: on a token, or in an encrypted PEM file; exactly one of the two."""

    token: str | None
    serial: str | None
    pin_file: Path | None
    pem: Path | None
    passphrase_file: Path | None

    def __post_init__(self) -> None:
        if (self.token is None) == (self.pem is None):
            raise UsageProblem("give either --token or --pem", "with a token, nobody can copy the key")

    @contextmanager
    def open_token(self, module: Path, *, writable: bool = False) -> Iterator[Token]:
        """The person's token, logged in; the PIN is asked for once."""
        pin = secrets.pin_for(str(self.token), self.pin_file)
        with Token.open(module, label=self.token, serial=self.serial, pin=pin, writable=writable) as opened:
            yield opened


def with_own_key(command: Command) -> Command:
    """Gives a command the options of a participant's own key; it gets them as one argument ``own``."""

    @functools.wraps(command)
    def gathered(**given: Any) -> Any:
        own = {field.name: given.pop(field.name) for field in fields(OwnKey)}
        return command(own=OwnKey(**own), **given)

    return _with(gathered, _OWN_KEY)


def _with(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
