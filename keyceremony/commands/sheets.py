"""``keyceremony script`` and ``minutes``: a ceremony on paper, before and after."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import click

from appliance.bilingual import Language
from appliance.ledger import chain, files
from appliance.ledger.errors import LedgerUnreadable
from keyceremony import screen, workspace
from keyceremony.commands.options import PATH, Where, with_where
from keyceremony.errors import UsageProblem
from keyceremony.sheets import minutes, script
from keyceremony.sheets.steps import Commands
from keyceremony.sheets.wording import LANGUAGES
from keyceremony.table import papers

_language = click.option(
    "--lang",
    "language",
    type=click.Choice([*LANGUAGES, "both"]),
    default="both",
    show_default=True,
    help="Japanese, English, or one after the other in one file.",
)
_out = click.option("--out", type=PATH, required=True, metavar="FILE", help="The HTML file to write; it must be new.")


@click.command("script")
@click.argument("plan", type=PATH)
@_language
@_out
@with_where("config", "ledger", "anchor", "module")
def script_command(plan: Path, language: str, out: Path, where: Where) -> None:
    """Write the script of a ceremony from PLAN, to be printed: what is to be done, step by step, with boxes to tick.

    It holds everything that `show` shows, the exact commands and what the screen must say, lines to sign, and a sheet
    for whatever differs. One self-contained HTML file, laid out for A4. Nothing is changed, and no token is needed.
    """
    paper = papers.load_plan(plan)
    ledger = where.ledger_if_given or _around(plan)
    state = papers.present_state(paper, ledger, where.anchor_if_given)
    papers.check_fits(paper, state, datetime.now(UTC))
    if ledger is not None:
        _check_outside(out, ledger)
    commands = Commands(
        plan=str(plan),
        ledger=str(ledger or "<LEDGER>"),
        where=tuple(where.arguments(with_module=False)),
        module=tuple(where.arguments(with_module=True)),
    )
    _write(out, script.html(paper, state, _languages(language), commands))


@click.command("minutes")
@click.argument("sequence", type=click.IntRange(1, 999_999))
@_language
@_out
@with_where("config", "ledger", "anchor")
def minutes_command(sequence: int, language: str, out: Path, where: Where) -> None:
    """Write the minutes of entry SEQUENCE of the ledger, to be printed and signed.

    Everything in them comes from the ledger, which is verified first; the entry's two signed files are linked from
    where the minutes lie, with their SHA-256 and the OpenSSL command that verifies them. Nothing is changed.
    """
    folder = where.ledger
    if not folder.is_dir():
        raise LedgerUnreadable(f"{folder}: no such folder", "check --ledger")
    _check_outside(out, folder)
    held = files.read(folder)
    entries = chain.verify_entries(held, where.anchor)
    if sequence > len(entries):
        raise UsageProblem(f"entry {sequence}: the ledger ends with entry {len(entries)}", "give a number up to that")
    href = quote(os.path.relpath(folder.resolve(), out.parent.resolve()))
    _write(out, minutes.html(minutes.Source(entries, held, folder, href), sequence, _languages(language)))


def _around(plan: Path) -> Path | None:
    """The ledger in whose pending folder a plan lies, named as the plan is."""
    return plan.parent.parent if plan.absolute().parent.name == workspace.PENDING else None


def _languages(choice: str) -> tuple[Language, ...]:
    return tuple(language for language in LANGUAGES if choice in (language, "both"))


def _check_outside(out: Path, ledger: Path) -> None:
    """A ledger with a file that does not belong to it is refused by every reader."""
    if out.parent.resolve() == ledger.resolve():
        raise UsageProblem(f"{out}: lies in the ledger's folder, where only the ledger may be", "write it elsewhere")


def _write(out: Path, data: bytes) -> None:
    workspace.create(out, data)
    screen.line(screen.console(), f"Written: {out} ({len(data):,} bytes); open it in a browser and print it on A4")
