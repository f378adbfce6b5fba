"""The command lines load a command when it is called, and nothing else before."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from appliance.cli import cli as appliance
from appliance.commandline import Commands
from keyceremony.cli import cli as keyceremony

HEAVY = ("aiohttp", "asn1crypto", "cryptography", "jinja2", "numpy", "pkcs11", "prometheus_client", "rich")


def _tables(group: Commands, above: str) -> Iterator[tuple[str, str, Commands]]:
    """Every command that stands in a table: its whole name, its name, and the group that lists it."""
    for name in group.list_commands(click.Context(group)):
        yield f"{above} {name}", name, group
        if isinstance(below := group.get_command(click.Context(group), name), Commands):
            yield from _tables(below, f"{above} {name}")


LISTED = [*_tables(appliance, "appliance"), *_tables(keyceremony, "keyceremony")]  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "group"), [pytest.param(name, group, id=whole) for whole, name, group in LISTED])
def test_a_listed_command_is_there_under_that_name(name: str, group: Commands) -> None:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    assert command.name == name
    assert group.get_command(click.Context(group), name) is command, "and is made once"


def test_there_are_as_many_as_we_know_of() -> None:
    assert (len(appliance.list_commands(click.Context(appliance))), len(LISTED)) == (11, 37)


@pytest.mark.parametrize(
    ("module", "name", "above"),
    [
        ("appliance.cli", "cli", "appliance"),
        ("appliance.oversight.cli", "oversight", "appliance oversight"),
        ("keyceremony.cli", "cli", "keyceremony"),
    ],
)
def test_help_lists_every_command_and_loads_none(module: str, name: str, above: str) -> None:
    code = f"""
import sys
from {module} import {name} as group
group(["--help"], standalone_mode=False)
print("loaded:", sorted({{name.partition(".")[0] for name in sys.modules}} & set({HEAVY!r})))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    listed = re.findall(r"^  (\w+)  ", done.stdout.partition("\nCommands:\n")[2], re.MULTILINE)
    assert listed == [name for whole, name, _ in LISTED if whole == f"{above} {name}"]
    assert done.stdout.endswith("loaded: []\n")


def test_a_command_that_is_none_is_a_usage_error() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "appliance.cli", "frobnicate"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "No such command 'frobnicate'." in done.stderr
