"""The table at the end, and the commands to go on with by hand."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from layout import APPLIANCE, BACKUP, CARD, PROJECT, Layout, Tools
from rich.console import Console
from rich.table import Table
from running import shown
from steps import Step

from appliance.configuration import load


def table(console: Console, steps: list[Step]) -> None:
    """What happened and how long it took."""
    made = Table(title="What happened", title_justify="left", title_style="bold", show_footer=True)
    made.add_column("step", "in all")
    made.add_column("result")
    made.add_column("seconds", f"{sum(step.seconds for step in steps):.1f}", justify="right")
    for step in steps:
        made.add_row(step.title, step.result, f"{step.seconds:.1f}")
    console.print()
    console.print(made)


def explore(console: Console, layout: Layout, tools: Tools, *, serving: bool) -> None:
    """Commands that work as they stand, in the project's folder."""
    socket, config = _short(layout.run / "hub.sock"), _short(layout.config)
    ledger, sample = _short(layout.ledger), _short(layout.folder / "sample")
    anchor = load(layout.config).ledger.trust_anchor
    appliance, keyceremony = shown("appliance"), shown("keyceremony")
    why = "--purpose benefit-check --reference case-2"
    asking = (
        f"{_short(tools.curl)} --unix-socket {socket} http://kagimori/v1/convert --json"
        ' \'{"source": "sspin.B", "target": "sspin.E", "purpose": "benefit-check", "reference": "case-1",'
        f' "numbers": ["\'"$(cat {sample})"\'", "369PQRST246"]}}\''
    )
    blocks = {
        "Convert one of sector B's numbers" + ("" if serving else " (in another terminal: make serve)"): [
            asking,
            f"{appliance} convert sspin.B sspin.E {why} --socket {socket} < {sample}",
            f"{appliance} status --socket {socket}",
        ],
        "Look at the citizens' portal and at oversight's desk (with a card that is ready)": ["make portal"],
        "Read the ledger": [
            f"{keyceremony} status --config {config}",
            f"{keyceremony} verify --config {config}",
            f"{keyceremony} show {ledger}/000003.authorization.cms --config {config}",
            f"{_short(tools.openssl)} cms -verify -noverify -inform DER -in {ledger}/000003.outcome.cms",
        ],
        "Read the script and the minutes of the first keys' ceremony (in a browser; they print on A4)": [
            f"xdg-open {_short(layout.script)}",
            f"xdg-open {_short(layout.minutes)}",
        ],
        "Watch the log as the oversight body does (serving), and look at its report": [
            f"{appliance} oversight witness --keys {_short(layout.witness)}"
            f" --state {_short(layout.folder / 'witness-state')} --anchor {anchor}"
            f" --socket {_short(layout.run / 'oversight.sock')}",
            f"{appliance} oversight verify {_short(layout.copy)} --anchor {anchor}",
            f"xdg-open {_short(layout.page)}",
        ],
        "Compare both tokens with the ledger (exit code 1: recovery was never rehearsed)": [
            f"SOFTHSM2_CONF={_short(layout.softhsm_conf(APPLIANCE))} {keyceremony} inventory --with {BACKUP}"
            f" --pin {BACKUP}={_short(layout.pin_file(BACKUP))} --config {config}"
        ],
        f"List the token's keys (it asks for the PIN in {_short(layout.pin_file(APPLIANCE))})": [
            f"SOFTHSM2_CONF={_short(layout.softhsm_conf(APPLIANCE))} {_short(tools.pkcs11_tool)}"
            f" --module {tools.module} --token-label {APPLIANCE} --login --list-objects --type secrkey"
        ],
    }
    for title, commands in blocks.items():
        console.print(f"\n[bold]{title}[/]")
        for command in commands:
            console.print(f"  {command}", soft_wrap=True, markup=False, highlight=False)
    console.print()


def visit(console: Console, layout: Layout, tools: Tools, origins: dict[str, str]) -> None:
    """Where portal and desk are, and how to get in; commands that work in the project's folder."""
    sign = (
        f"SOFTHSM2_CONF={_short(layout.softhsm_conf(CARD))} {shown('appliance')} card sign --portal {origins['portal']}"
        f" --module {tools.module} --label {CARD} --pin-file {_short(layout.pin_file(CARD))}"
    )
    key = (layout.web / "desk.key").read_text(encoding="ascii").strip()
    blocks = {
        "The citizens' portal (マイ情報連携履歴)": [origins["portal"]],
        "Sign in: after this command, paste the page's challenge (確認文) and Ctrl-D; the answer goes back there": [
            sign
        ],
        "Oversight's desk (監視機関デスク); the browser asks for a name and a password": [
            origins["desk"],
            f"name desk, password {key}",
        ],
    }
    for title, lines in blocks.items():
        console.print(f"\n[bold]{title}[/]", soft_wrap=True)
        for line in lines:
            console.print(f"  {line}", soft_wrap=True, markup=False, highlight=False)
    console.print("\nServing until Ctrl-C.")


def _short(path: Path) -> str:
    """Relative to the project's folder where it lies in it; a tool that is on the PATH by its name."""
    if path.is_relative_to(PROJECT):
        return shlex.quote(str(path.relative_to(PROJECT)))
    on_path = str(path.parent) in os.environ.get("PATH", "").split(os.pathsep)
    return path.name if on_path and os.access(path, os.X_OK) else shlex.quote(str(path))
