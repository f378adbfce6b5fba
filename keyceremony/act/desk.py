"""The tokens of one ceremony: opened when needed, each PIN asked for and tried once, closed together.

A token's security officer (SO) and its user cannot be logged in at once; so the user's session is closed while the SO
marks a transport key as trusted, and opened again after it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from appliance.ledger.errors import WrongToken
from appliance.token import so
from appliance.token.errors import TokenError
from appliance.token.token import Token


@dataclass(frozen=True)
class Name:
    """A token as plans and ledger name it."""

    label: str
    serial: str

    def __str__(self) -> str:
        return f"{self.label} (serial {self.serial})"


class Pins(Protocol):
    """Where PINs come from; each is asked for at most once."""

    def user(self, label: str) -> str:
        """The PIN of a token's user."""

    def so(self, label: str) -> str:
        """The PIN of a token's security officer."""


class Desk:
    """A context manager; leaving it logs out everywhere."""

    def __init__(self, module: Path, pins: Pins, names: Iterable[Name]) -> None:
        self._module = module
        self._pins = pins
        self._names = {name.serial: name for name in names}
        self._open: dict[str, Token] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for serial in list(self._open):
            try:
                self._open.pop(serial).close()
            except TokenError:
                if error is None:  # else the first error is the one to report
                    raise

    def name(self, serial: str) -> Name:
        """How a token of this ceremony is called."""
        return self._names[serial]

    def token(self, serial: str) -> Token:
        """A token with its user logged in, for writing.

        Raises:
            TokenError: it is not there, or the PIN is wrong (tried once).
            WrongToken: it is another one.
        """
        if serial not in self._open:
            label = self._names[serial].label
            pin = self._pins.user(label)
            opened = Token.open(self._module, label=label, serial=serial, pin=pin, writable=True)
            self._open[serial] = opened
            if opened.facts.serial != serial:  # whatever the module says it was asked for
                raise WrongToken(
                    f"token: serial {opened.facts.serial!r}; the plan needs {serial!r}", "use the right one"
                )
        return self._open[serial]

    def check_so(self, serial: str) -> None:
        """Log in as a token's security officer and out again, before its user does, and before anything is made.

        Raises:
            TokenError: it is not there, or the SO PIN is wrong (tried once).
        """
        label = self._names[serial].label
        so.check_login(self._module, label=label, serial=serial, so_pin=self._pins.so(label))

    def import_trusted(self, serial: str, key_id: bytes, name: str, public_key: bytes) -> None:
        """Have a token trust a transport key: its SO imports the public half with CKA_TRUSTED.

        Raises:
            TokenError: as `appliance.token.so.import_trusted`.
        """
        self._leave(serial)
        label = self._names[serial].label
        so.import_trusted(
            self._module,
            label=label,
            serial=serial,
            so_pin=self._pins.so(label),
            key_id=key_id,
            name=name,
            public_key=public_key,
        )

    def _leave(self, serial: str) -> None:
        if serial in self._open:
            self._open.pop(serial).close()
