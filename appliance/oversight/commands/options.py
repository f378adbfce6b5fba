"""Options that several commands of ``appliance oversight`` share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from appliance.hubkit.client import Client
from appliance.oversight.remote import Remote

Command = TypeVar("Command", bound=Callable[..., Any])
Option = Callable[[Command], Command]
PATH = click.Path(path_type=Path)
TIMEOUT = 30.0  # seconds that one piece of the log may take
_ANCHOR = re.compile(r"[0-9a-f]{64}", re.ASCII)


def _checked_anchor(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and _ANCHOR.fullmatch(value) is None:
        raise click.BadParameter("not 64 hexadecimal digits in lower case; copy it whole")
    return value


def anchor(*, required: bool = True) -> Option[Any]:
    """``--anchor``."""
    return click.option(
        "--anchor",
        metavar="HEX",
        required=required,
        callback=_checked_anchor,
        help="The trust anchor: SHA-256 of the genesis plan, as read aloud at the genesis ceremony.",
    )


def socket(*, required: bool = True) -> Option[Any]:
    """``--socket``."""
    return click.option(
        "--socket",
        "socket_path",
        type=PATH,
        required=required,
        envvar="KAGIMORI_SOCKET" if required else None,
        help="The daemon's socket of a role that may read the log.",
    )


as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, for a machine to read.")
passphrase_file = click.option(
    "--passphrase-file",
    type=PATH,
    metavar="FILE",
    help="A file with the passphrase of the keys, readable by you alone; else it is asked for.",
)


@contextmanager
def connected(path: Path) -> Iterator[tuple[Client, Remote]]:
    """A connection to a daemon, and the log behind it."""
    with Client(path, timeout=TIMEOUT) as client:
        yield client, Remote(client)


def instant(seconds: int) -> str:
    """POSIX seconds as ``2026-04-01T09:00:00Z``; what no calendar has, as the number."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(seconds)
