"""Whose PINs come from where, when a command works with several tokens: files named by label, or asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from appliance.configuration import read_pin
from keyceremony.act.needs import Needs
from keyceremony.commands.options import Where
from keyceremony.errors import UsageProblem
from keyceremony.people import secrets

_HELP = "may be repeated, for other tokens than the appliance's. Else it is asked for, once."
with_pins = [
    click.option("--ask-pin", is_flag=True, help="Ask for the PIN even if the configuration names a file with it."),
    click.option("--pin", "pins", multiple=True, metavar="LABEL=FILE", help=f"A file with a token's PIN; {_HELP}"),
    click.option(
        "--so-pin",
        "so_pins",
        multiple=True,
        metavar="LABEL=FILE",
        help="A file with the PIN of a token's security officer (SO), needed where a transport key is to be trusted; "
        "may be repeated. Else it is asked for, once.",
    ),
]


def taking_pins(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options ``ask_pin``, ``pins`` and ``so_pins``."""
    for option in reversed(with_pins):
        command = option(command)
    return command


@dataclass
class PinSource:
    """Shaped like `keyceremony.act.desk.Pins`. Each PIN is read or asked for once and kept until the command ends."""

    users: Mapping[str, Path]
    officers: Mapping[str, Path]
    _known: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)

    def user(self, label: str) -> str:
        """The PIN of a token's user."""
        return self._once("user", label, lambda: secrets.pin_for(label, self.users.get(label)))

    def so(self, label: str) -> str:
        """The PIN of a token's security officer."""
        file, prompt = self.officers.get(label), f"Security officer's (SO) PIN of token {label}"
        return self._once("so", label, lambda: read_pin(file) if file else secrets.ask(prompt))

    def gather(self, wanted: Needs) -> None:
        """Read or ask for every PIN that is needed, so that no prompt comes in the middle of the work."""
        for name in wanted.officers:
            self.so(name.label)
        for name in wanted.users:
            self.user(name.label)

    def _once(self, who: str, label: str, get: Callable[[], str]) -> str:
        if (who, label) not in self._known:
            self._known[who, label] = get()
        return self._known[who, label]


def pin_source(where: Where, appliance: str, pins: tuple[str, ...], so_pins: tuple[str, ...], ask: bool) -> PinSource:
    """The source that a command's options describe; ``appliance``: the label that ``--pin-file`` is for.

    Raises:
        UsageProblem: not ``LABEL=FILE``, or a label twice.
    """
    users = _files("--pin", pins)
    if where.pin_file is not None and not ask:
        users.setdefault(appliance, where.pin_file)
    return PinSource(users, _files("--so-pin", so_pins))


def _files(option: str, given: tuple[str, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for text in given:
        label, equals, file = text.partition("=")
        if not (label and equals and file):
            raise UsageProblem(f"{option} {text}: needs LABEL=FILE", "the token's label, and a file with its PIN")
        if label in found:
            raise UsageProblem(f"{option}: token {label} is there twice", "once for each token")
        found[label] = Path(file)
    return found
