"""``appliance qualify``: which token, its PIN, where the report goes."""

from __future__ import annotations

import getpass
import json
import os
from pathlib import Path
from typing import Any

import click

from appliance import progress
from appliance.commandline import FAILED, stopped_by_sigterm
from appliance.configuration import read_pin
from appliance.tomlfile import ConfigurationError

# What works on a token is imported by the command: loading numpy and pkcs11 takes longer than most other commands do.
# ruff: noqa: PLC0415

_HELP = """Try whether a PKCS#11 token is fit to hold conversion keys; print what it does, lacks, and what that costs.

Works with scratch objects of its own alone (labels that begin with "kagimori-qualify"), removes them at the end, after
Ctrl-C as well, and touches nothing else. The token must be initialised. Its PIN is asked for, or read from --pin-file,
and if it is refused, tried once. --so-pin-file is needed for what its security officer (SO) must do: without it backup
is not tried, and no token is found fit. The exit code is 0 if the token is fit for production, else 1.
More: docs/hsm-qualification.md

\b
appliance qualify --module /usr/lib/softhsm/libsofthsm2.so --token trial --so-pin-file so-pin --html trial.html
"""
_PATH = click.Path(path_type=Path)


@click.command("qualify", help=_HELP)
@click.option("--module", type=_PATH, required=True, help="The vendor's PKCS#11 module, by its full path.")
@click.option("--token", "label", required=True, metavar="LABEL", help="The token's label.")
@click.option("--serial", help="Its serial number, where several have the label.")
@click.option("--pin-file", type=_PATH, help="A file with its PIN, that you alone can read. Else it is asked for.")
@click.option(
    "--so-pin-file", type=_PATH, help="The same of its security officer's (SO) PIN. Else that part is left out."
)
@click.option("--quick", is_flag=True, help="Fewer repetitions; every check is made all the same.")
@click.option("--threads", is_flag=True, help="Try two threads of one process as well, which Kagimori never uses.")
@click.option("--clean", is_flag=True, help="Remove scratch objects that an earlier run has left, first.")
@click.option("--html", type=_PATH, metavar="FILE", help="Write the report as a page as well (never overwritten).")
@click.option("--json", "as_json", type=_PATH, metavar="FILE", help="Write it as JSON as well (never overwritten).")
def command(
    module: Path,
    label: str,
    serial: str | None,
    pin_file: Path | None,
    so_pin_file: Path | None,
    clean: bool,
    **how: Any,
) -> int:
    """Qualify a token."""
    from appliance.qualify import page, runner, text
    from appliance.qualify.checks import CHECKS, THREADS
    from appliance.qualify.verdict import Fitness
    from appliance.token.slots import require_file
    from appliance.token.trials.bench import Terms

    html, as_json = how["html"], how["as_json"]
    for path in (html, as_json):
        _require_absent(path)
    require_file(module)
    pin = read_pin(pin_file) if pin_file else _ask(label)
    so_pin = read_pin(so_pin_file) if so_pin_file else None
    terms = Terms(module.absolute(), label, serial, pin, so_pin, how["quick"])
    with progress.bar(f"Qualifying {label}", "checks") as show, stopped_by_sigterm():
        checks = (*CHECKS, THREADS) if how["threads"] else CHECKS
        report = runner.qualify(terms, show, clean=clean, checks=checks)
    click.echo(text.render(report))
    if html is not None:
        _write(html, page.render(report))
    if as_json is not None:
        _write(as_json, json.dumps(text.as_data(report), ensure_ascii=False, indent=1).encode() + b"\n")
    return 0 if report.verdict.fitness is Fitness.FIT else FAILED


def _ask(label: str) -> str:
    """The PIN typed at the terminal, without echo."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        raise ConfigurationError(f"PIN of token {label}: no terminal to ask at", "name a file: --pin-file") from None
    pin = getpass.getpass(f"PIN of token {label}: ")
    if not pin:
        raise ConfigurationError(f"PIN of token {label}: nothing typed", "run the command again")
    return pin


def _require_absent(path: Path | None) -> None:
    if path is not None and path.exists():
        raise ConfigurationError(f"{path}: is there already", "nothing is overwritten; name another file")


def _write(path: Path, data: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        _require_absent(path)
